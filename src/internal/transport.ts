/**
 * The three requests over the platform's `HttpClient`: URLs, headers, and connections that are closed when their
 * answer is not wanted any more.
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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type * as GPTalkError from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import * as Answer from "./answer.js"
import * as Body from "./body.js"
import * as Fault from "./fault.js"
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
  /** Closes the connection when it is closed. */
  readonly scope: Scope.CloseableScope
  readonly secrets: ReadonlyArray<string>
}

/** @internal */
export interface Connection {
  readonly status: number
  readonly body: Body.Body
}

/** @internal */
export interface Transport {
  readonly userAgent: string
  readonly json: <A, I>(request: JsonRequest<A, I>) => Effect.Effect<A, GPTalkError.GPTalkError>
  readonly open: (request: StreamRequest) => Effect.Effect<Connection, GPTalkError.GPTalkError>
}

interface Request {
  readonly step: GPTalkError.Step
  readonly secrets: ReadonlyArray<string>
  readonly make: (headers: Record<string, string>) => HttpClientRequest.HttpClientRequest
}

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
      // Where the caller has tracing off, the span has no id that could be sent.
      Option.match({
        onNone: () => ({}),
        onSome: (span) => span.spanId === "noop" ? {} : HttpTraceContext.toHeaders(span)
      })
    )
    : Effect.succeed({})

  /**
   * The client's own spans carry the URL, and with it the stream token, so its tracing is off; a redirect is an
   * answer like any other, so that no token and no prompt follows it to another origin.
   */
  const execute = (
    { make, secrets, step }: Request
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, GPTalkError.GPTalkError, Scope.Scope> =>
    Effect.flatMap(
      Effect.zip(Clock.currentTimeMillis, traceHeaders),
      ([now, trace]) => scopedClient.execute(make({ ...headersAt(now), ...trace }))
    ).pipe(
      Effect.catchAll((error: HttpClientError.HttpClientError) =>
        error._tag === "ResponseError" && error.reason === "StatusCode"
          ? Effect.succeed(error.response)
          : Effect.fail(Fault.toConnectionError(error, { step, secrets }))
      ),
      Effect.withTracerEnabled(false),
      Effect.mapInputContext((context: Context.Context<Scope.Scope>) =>
        Context.add(context, FetchHttpClient.RequestInit, {
          ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
          redirect: "manual"
        })
      )
    )

  /**
   * Sends a request and uses its answer. The scope is closed, and with it the connection, only where something goes
   * wrong: to abort a request that is over costs as much as to parse its answer.
   */
  const exchange = <A>(
    request: Request,
    scope: Scope.CloseableScope,
    use: (answer: Answer.Answer) => Effect.Effect<A, GPTalkError.GPTalkError>
  ): Effect.Effect<A, GPTalkError.GPTalkError> =>
    execute(request).pipe(
      Effect.flatMap((response) => Body.make(response, (error) => Fault.toConnectionError(error, request))),
      Scope.extend(scope),
      Effect.flatMap((body) =>
        use({
          ...request,
          body,
          response: body.response,
          maxBodySize: settings.maxBodySize,
          responseTimeout: settings.timeouts.response
        })
      ),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )

  return {
    userAgent: headers["user-agent"] ?? headersAt(0)["user-agent"]!,
    json: (request) =>
      Effect.flatMap(Scope.make(), (scope) =>
        exchange(
          {
            ...request,
            make: (headers) => {
              const all = request.bearer === undefined
                ? headers
                : { ...headers, authorization: `Bearer ${Redacted.value(request.bearer)}` }
              return HttpClientRequest.post(base + Protocol.paths[request.step], {
                headers: all,
                body: HttpBody.text(JSON.stringify(request.body), all["content-type"])
              })
            }
          },
          scope,
          (answer) => Answer.decode(answer, request.answer)
        )),
    open: ({ scope, secrets, token }) =>
      exchange(
        {
          step: "stream",
          secrets,
          make: (headers) =>
            HttpClientRequest.get(base + Protocol.paths.stream, {
              headers,
              urlParams: { token: Redacted.value(token) }
            })
        },
        scope,
        (answer) => Effect.as(Answer.isEventStream(answer), { status: answer.response.status, body: answer.body })
      )
  }
}
