/**
 * The three requests over the platform's `HttpClient`: headers, bounded bodies, the response timeout, and every
 * status and shape turned into a value or one of our errors.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GPTalkError from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import * as Fault from "./fault.js"
import { describe } from "./issue.js"
import { markRefusal } from "./refusal.js"
import type { Settings } from "./settings.js"

/** @internal */
export interface JsonRequest<A, I> {
  readonly step: "login" | "text"
  readonly body: unknown
  readonly answer: Schema.Schema<A, I>
  readonly bearer?: Redacted.Redacted<string>
  /** What must not come back in the words of an error. */
  readonly secrets: ReadonlyArray<string>
}

/** @internal */
export interface StreamRequest {
  readonly token: Redacted.Redacted<string>
  readonly secrets: ReadonlyArray<string>
}

/** @internal */
export interface Transport {
  readonly userAgent: string
  readonly json: <A, I>(request: JsonRequest<A, I>) => Effect.Effect<A, GPTalkError.GPTalkError>
  /** The response of `stream`, its body still unread. Closing the scope closes the connection. */
  readonly open: (
    request: StreamRequest
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, GPTalkError.GPTalkError, Scope.Scope>
}

/** @internal */
export interface Exchange {
  readonly step: GPTalkError.Step
  readonly secrets: ReadonlyArray<string>
}

/**
 * An error body only adds words to a status that is already known, so it is not worth a long wait.
 */
const errorBodyTimeout = Duration.seconds(1)

/**
 * The body of a response. Foreign errors are turned into ours before anything runs the stream, since that is done by
 * a fiber whose failure is logged, and theirs hold the request.
 *
 * @internal
 */
export const body = (
  response: HttpClientResponse.HttpClientResponse,
  exchange: Exchange
): Stream.Stream<Uint8Array, GPTalkError.ConnectionError> =>
  Stream.catchAll(
    response.stream,
    (error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(Fault.toConnectionError(error, exchange))
  )

const isOk = (status: number): boolean => status >= 200 && status < 300

/** @internal */
export const make = (client: HttpClient.HttpClient, settings: Settings): Transport => {
  const origin = settings.url.origin
  const base = origin + settings.url.pathname.replace(/\/+$/, "")
  const headers = Object.fromEntries(
    Object.entries(settings.headers).map(([name, value]) => [name.toLowerCase(), value])
  )
  const headersAt = (now: number): Record<string, string> => ({
    ...Protocol.defaultHeaders({ origin, now: Math.floor(now / 1000) }),
    ...headers
  })
  const scopedClient = HttpClient.withScope(client)

  const traceHeaders: Effect.Effect<Record<string, string>> = settings.propagateTrace
    ? Effect.map(
      Effect.option(Effect.currentSpan),
      Option.match({
        onNone: () => ({}),
        onSome: HttpTraceContext.toHeaders
      })
    )
    : Effect.succeed({})

  /**
   * The client's own spans carry the URL, and with it the stream token, so its tracing is off; a redirect is an
   * answer like any other, so that no token and no prompt follows it to another origin.
   */
  const execute = (
    make: (headers: Record<string, string>) => HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError, Scope.Scope> =>
    Effect.flatMap(
      Effect.zip(Clock.currentTimeMillis, traceHeaders),
      ([now, trace]) =>
        scopedClient.execute(make({ ...headersAt(now), ...trace })).pipe(
          Effect.catchTag(
            "ResponseError",
            (error) => error.reason === "StatusCode" ? Effect.succeed(error.response) : Effect.fail(error)
          ),
          Effect.withTracerEnabled(false),
          Effect.mapInputContext((context: Context.Context<Scope.Scope>) =>
            Context.add(context, FetchHttpClient.RequestInit, {
              ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
              redirect: "manual"
            })
          )
        )
    )

  const readText = (
    exchange: Exchange,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<string, HttpClientError.ResponseError | GPTalkError.ConnectionError | GPTalkError.ProtocolError> => {
    const tooLarge = () =>
      new GPTalkError.ProtocolError({
        step: exchange.step,
        issue: `expected an answer of at most ${settings.maxBodySize} bytes, found a larger one`
      })
    const length = response.headers["content-encoding"] === undefined ? response.headers["content-length"] : undefined
    if (length !== undefined && /^\d+$/.test(length)) {
      // The HTTP client holds the body to the length it declares.
      return Number(length) > settings.maxBodySize ? Effect.fail(tooLarge()) : response.text
    }
    return Effect.suspend(() => {
      const decoder = new TextDecoder()
      let text = ""
      let size = 0
      return body(response, exchange).pipe(
        Stream.runForEach((bytes) => {
          size += bytes.length
          if (size > settings.maxBodySize) return Effect.fail(tooLarge())
          text += decoder.decode(bytes, { stream: true })
          return Effect.void
        }),
        Effect.map(() => text + decoder.decode())
      )
    })
  }

  const failure = Effect.fnUntraced(function*(
    exchange: Exchange,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.fn.Return<never, GPTalkError.GPTalkError> {
    const { secrets, step } = exchange
    const status = response.status
    if (step !== "stream" && (status === 401 || status === 403)) {
      return yield* new GPTalkError.AuthenticationError({ step, status })
    }
    const retryAfter = Fault.retryAfter(response.headers["retry-after"], yield* Clock.currentTimeMillis)
    if (status === 429) return yield* new GPTalkError.RateLimitError({ step, retryAfter })
    const isHtml = (response.headers["content-type"] ?? "").includes("html")
    const text = yield* readText(exchange, response).pipe(
      Effect.timeout(errorBodyTimeout),
      Effect.orElseSucceed(() => "")
    )
    const fault = Either.match(Fault.parseJson(text), {
      onLeft: () => ({ code: undefined, detail: isHtml || text === "" ? undefined : text }),
      onRight: (json) => Fault.serviceFault(json) ?? { code: undefined, detail: undefined }
    })
    return yield* Fault.toServiceError(fault, { step, status, secrets, retryAfter })
  })

  const decodeAnswer = <A, I>(
    request: JsonRequest<A, I>,
    status: number,
    text: string
  ): Either.Either<A, GPTalkError.GPTalkError> => {
    const { answer, secrets, step } = request
    return Either.flatMap(
      Either.mapLeft(Fault.parseJson(text), (issue) => new GPTalkError.ProtocolError({ step, issue })),
      (json) =>
        Either.mapLeft(Schema.decodeUnknownEither(answer)(json), (error) => {
          const fault = Fault.serviceFault(json)
          const failure = fault === undefined
            ? new GPTalkError.ProtocolError({ step, issue: describe(error) })
            : Fault.toServiceError(fault, { step, status, secrets })
          return step === "text" && Predicate.isRecord(json) && (json["data"] ?? null) === null
            ? markRefusal(failure)
            : failure
        })
    )
  }

  const withinResponse = <A, R>(
    exchange: Exchange,
    effect: Effect.Effect<A, GPTalkError.GPTalkError | HttpClientError.HttpClientError, R>
  ): Effect.Effect<A, GPTalkError.GPTalkError, R> =>
    effect.pipe(
      Effect.catchAll((error) =>
        Effect.fail(
          error._tag === "RequestError" || error._tag === "ResponseError"
            ? Fault.toConnectionError(error, exchange)
            : error
        )
      ),
      Effect.timeoutFail({
        duration: settings.timeouts.response,
        onTimeout: () =>
          new GPTalkError.TimeoutError({
            step: exchange.step,
            phase: "response",
            after: settings.timeouts.response
          })
      })
    )

  return {
    userAgent: headers["user-agent"] ?? headersAt(0)["user-agent"]!,
    json: (request) =>
      execute((headers) => {
        const all = request.bearer === undefined
          ? headers
          : { ...headers, authorization: `Bearer ${Redacted.value(request.bearer)}` }
        return HttpClientRequest.post(base + Protocol.paths[request.step], {
          headers: all,
          body: HttpBody.text(JSON.stringify(request.body), all["content-type"])
        })
      }).pipe(
        Effect.flatMap((response) =>
          isOk(response.status)
            ? Effect.flatMap(readText(request, response), (text) => decodeAnswer(request, response.status, text))
            : failure(request, response)
        ),
        Effect.scoped,
        (effect) => withinResponse(request, effect)
      ),
    open: (request) => {
      const exchange: Exchange = { step: "stream", secrets: request.secrets }
      const urlParams = { token: Redacted.value(request.token) }
      return withinResponse(
        exchange,
        Effect.gen(function*() {
          const response = yield* execute((headers) =>
            HttpClientRequest.get(base + Protocol.paths.stream, { headers, urlParams })
          )
          if (!isOk(response.status)) return yield* failure(exchange, response)
          const type = /\b(json|html)\b/i.exec(response.headers["content-type"] ?? "")?.[1]?.toUpperCase()
          if (type === undefined) return response
          const json = Fault.parseJson(yield* readText(exchange, response))
          const fault = Either.getOrUndefined(Either.map(json, Fault.serviceFault))
          return yield* fault === undefined
            ? new GPTalkError.ProtocolError({ step: "stream", issue: `expected an event stream, found ${type}` })
            : Fault.toServiceError(fault, { ...exchange, status: response.status })
        })
      )
    }
  }
}
