/**
 * The three requests, sent with the platform's `HttpClient`. Some features of the client are disabled: `fetch` follows
 * no redirect, the client makes no spans, and a status that it treats as a failure is still an answer.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as GPTalkError from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import * as Answer from "./answer.js"
import { Body } from "./body.js"
import * as Fault from "./fault.js"
import type { Secrets } from "./secrets.js"
import type { Settings } from "./settings.js"

/**
 * What differs from one call to the next in the body of `text`.
 *
 * @internal
 */
export type Question = Pick<Protocol.TextRequest, "content" | "model" | "temperature" | "prompt" | "ctx_msg_count">

/** @internal */
export interface Options {
  /** Closing it aborts the request and closes its connection. After a complete answer it need not be closed. */
  readonly scope: Scope.Scope
  /** What must not appear in the text of an error. */
  readonly secrets: Secrets
  /** The span that the request belongs to. Default: the current span of the fiber. */
  readonly span?: Tracer.Span
}

/** @internal */
export interface Transport {
  readonly login: (
    fingerprint: string,
    options: Options
  ) => Effect.Effect<Protocol.LoginResponse["data"], GPTalkError.GPTalkError>
  /** Returns the stream token. */
  readonly text: (
    session: Redacted.Redacted<string>,
    question: Question,
    options: Options
  ) => Effect.Effect<Redacted.Redacted<string>, GPTalkError.GPTalkError>
  /** Connects the body to the response. */
  readonly stream: (
    token: Redacted.Redacted<string>,
    body: Body,
    options: Options
  ) => Effect.Effect<void, GPTalkError.GPTalkError>
}

/** One of the three requests, before it is sent. */
interface Outgoing extends Options {
  readonly step: GPTalkError.Step
  /** The request without the headers that differ from call to call. `now` is in Unix seconds. */
  readonly request: (now: number) => HttpClientRequest.HttpClientRequest
  /** What reads the answer if it is an event stream; any other answer is read by a body of its own. */
  readonly events?: Body
}

const decodeLogin = Schema.decodeUnknownEither(Protocol.LoginResponse)
const decodeText = Schema.decodeUnknownEither(Protocol.TextResponse)

/**
 * The context of one request. `fetch` returns a redirect as an answer and does not follow it, so that no token and no
 * prompt goes to another origin. undici follows none by itself.
 */
const contextOf = (context: Context.Context<never>, { scope, span }: Options): Context.Context<never> => {
  const init = Context.getOrElse(context, FetchHttpClient.RequestInit, () => ({}))
  const prepared = context.pipe(
    Context.add(FetchHttpClient.RequestInit, { ...init, redirect: "manual" }),
    Context.add(Scope.Scope, scope)
  )
  return span === undefined ? prepared : Context.add(prepared, Tracer.ParentSpan, span)
}

const setFiber = (context: Context.Context<never>, isTraced: boolean): Effect.Effect<void> =>
  Effect.zipRight(
    FiberRef.set(FiberRef.currentContext, context),
    FiberRef.set(FiberRef.currentTracerEnabled, isTraced)
  )

/**
 * Turns a failure of the client into a response or an error of ours: a client may treat a status as a failure, but the
 * response is still an answer.
 */
const recover = (
  sent: Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>,
  options: Options & { readonly step: GPTalkError.Step }
): Effect.Effect<HttpClientResponse.HttpClientResponse, GPTalkError.GPTalkError> =>
  Effect.catchAll(sent, (error) =>
    error._tag === "ResponseError" && error.reason === "StatusCode"
      ? Effect.succeed(error.response)
      : Effect.fail(Fault.toConnectionError(error, options)))

/** A defect of the client, or of its response, may hold or quote the request, which must not leak that way either. */
const redactDefect = <A, E>(
  self: Effect.Effect<A, E>,
  options: Options & { readonly step: GPTalkError.Step }
): Effect.Effect<A, E> =>
  Effect.catchAllDefect(
    self,
    (defect) => Effect.die(Fault.isUnsafe(defect, options.secrets) ? Fault.toConnectionError(defect, options) : defect)
  )

/** At module level, so that it keeps nothing but the body alive for as long as the reply is open. */
const closing = (body: Body): Effect.Effect<void> => Effect.sync(() => body.close())

/** @internal */
export const make = (client: HttpClient.HttpClient, settings: Settings): Transport => {
  // The `Scope` that this needs is in the context that `send` sets for the request.
  const execute = HttpClient.withScope(client).execute as HttpClient.HttpClient["execute"]
  const { origin, pathname, searchParams: urlParams } = settings.url
  // `x-auth-timestamp` is computed per request, unless the user sets it.
  const { "x-auth-timestamp": _, ...defaults } = Protocol.defaultHeaders({ origin, now: 0 })
  // Made once: making a request takes three times as long as modifying one.
  const path = pathname.replace(/(?<!\/)\/+$/, "")
  const base = HttpClientRequest.post(origin + path, { headers: defaults, urlParams }).pipe(
    HttpClientRequest.setHeaders(settings.headers)
  )
  const login = HttpClientRequest.appendUrl(base, Protocol.paths.login)
  const text = HttpClientRequest.appendUrl(base, Protocol.paths.text)
  const stream = HttpClientRequest.setMethod(HttpClientRequest.appendUrl(base, Protocol.paths.stream), "GET")
  const { headers } = base

  const withJson = (request: HttpClientRequest.HttpClientRequest, json: unknown) =>
    HttpClientRequest.bodyText(request, JSON.stringify(json), headers["content-type"])

  /** If the caller has disabled tracing, the span has no id to send. */
  const traceOf = (span: Tracer.AnySpan | undefined) =>
    settings.propagateTrace && span?._tag === "Span" && span.spanId !== "noop" ? HttpTraceContext.toHeaders(span) : {}

  // The fiber gets another context for the request, and its own back however the request ends. This needs no finalizer,
  // which would take half as long as the request, as long as nothing between the two `setFiber` can fail or be
  // interrupted, except within `restore`.
  const send = <A>(
    outgoing: Outgoing,
    read: (answer: Answer.Answer) => Effect.Effect<A, GPTalkError.GPTalkError>
  ): Effect.Effect<A, GPTalkError.GPTalkError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime((fiber) => {
        const now = Math.floor(Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis() / 1000)
        const request = HttpClientRequest.setHeaders(outgoing.request(now), {
          "x-auth-timestamp": headers["x-auth-timestamp"] ?? String(now),
          ...traceOf(outgoing.span ?? fiber.currentSpan)
        })
        const context = fiber.currentContext
        const putBack = setFiber(context, fiber.getFiberRef(FiberRef.currentTracerEnabled))
        const connect = (response: HttpClientResponse.HttpClientResponse) =>
          Effect.flatMap(Effect.runtime<never>(), (runtime) => {
            const body = outgoing.events !== undefined && Answer.isEventStream(response)
              ? outgoing.events
              : new Body((error) => Fault.toConnectionError(error, outgoing))
            body.connect(response, runtime)
            const answer = { step: outgoing.step, secrets: outgoing.secrets, settings, response, body }
            return Effect.zipRight(Scope.addFinalizer(outgoing.scope, closing(body)), restore(read(answer)))
          })
        // Not traced: the client's own spans would hold the URL, and with it the stream token.
        return Effect.zipRight(
          setFiber(contextOf(context, outgoing), false),
          Effect.flatMap(
            Effect.exit(restore(execute(request))),
            (exit) => Effect.zipRight(putBack, redactDefect(Effect.flatMap(recover(exit, outgoing), connect), outgoing))
          )
        )
      })
    )

  const json = <A>(outgoing: Outgoing, decode: Answer.Decode<A>): Effect.Effect<A, GPTalkError.GPTalkError> =>
    send(outgoing, (answer) => Answer.decode(answer, decode))

  return {
    login: (fingerprint, options) =>
      Effect.map(
        json({
          ...options,
          step: "login",
          request: () => withJson(login, { fingerprint, platform: "fingerprint" })
        }, decodeLogin),
        ({ data }) => data
      ),
    text: (session, question, options) =>
      Effect.map(
        json({
          ...options,
          step: "text",
          request: (now) =>
            withJson(
              HttpClientRequest.bearerToken(text, session),
              {
                ...question,
                accept: "stream",
                from: 1,
                is_mobile: 0,
                user_agent: headers["user-agent"]!,
                is_open_ctx: 0,
                roid: 111,
                created_at: now
              } satisfies Protocol.TextRequest
            )
        }, decodeText),
        ({ data }) => Redacted.make(data.token)
      ),
    stream: (token, body, options) =>
      send({
        ...options,
        step: "stream",
        request: () => HttpClientRequest.setUrlParam(stream, "token", Redacted.value(token)),
        events: body
      }, (answer) => answer.body === body ? Effect.void : Answer.notEventStream(answer))
  }
}
