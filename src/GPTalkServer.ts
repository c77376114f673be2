/**
 * A server of the GPTalk protocol: three routes on an `HttpLayerRouter`, with replies from a `Responder`.
 *
 * @since 0.1.0
 */

import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as Connection from "./internal/connection.js"
import { ErrorAnswer, toResponse } from "./internal/errorAnswer.js"
import { doneFrame, errorFrame, FrameEncoder } from "./internal/frameEncoder.js"
import { readJson, toResponderRequest } from "./internal/requestBody.js"
import * as Running from "./internal/running.js"
import * as ServerSettings from "./internal/serverSettings.js"
import { SessionStore } from "./internal/sessionStore.js"
import * as Protocol from "./Protocol.js"
import * as Responder from "./Responder.js"

/**
 * Limits of sessions, and of the memory that clients can make the server hold. All are optional; `layer` lists the
 * status for exceeding each.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many replies a login is good for. Default 5; beyond that `text` answers 403. */
  readonly usageLimit?: number | undefined
  /** How long a session lives. Default 1 hour; after that `text` answers 401. */
  readonly sessionLifetime?: Duration.DurationInput | undefined
  /** How long a stream token, good for one GET, is valid. Default 1 minute; after that `stream` answers 403. */
  readonly streamTokenLifetime?: Duration.DurationInput | undefined
  /**
   * How many sessions are kept. Default 10,000. To make room for another, the server drops the expired ones, else one
   * that is used up, else the oldest that was never used. When all are in use, `login` answers 429.
   */
  readonly maxSessions?: number | undefined
  /**
   * How many stream tokens wait for their GET at once, each with its request. Default 1,000; beyond that, or when the
   * requests that wait or are being answered exceed 64 MiB of memory, `text` answers 429.
   */
  readonly maxStreamTokens?: number | undefined
  /** How many replies run concurrently. Default 1,000; beyond that `stream` answers 429, and the token stays valid. */
  readonly maxReplies?: number | undefined
  /** The largest request body, in bytes. Default 1 MiB; a larger one is answered with 413. */
  readonly maxBodySize?: number | undefined
}

const bearer = (request: HttpServerRequest.HttpServerRequest): string | undefined =>
  /^bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]

/**
 * How many bytes of frames are batched into one write, which costs as much as several frames. The last frame may exceed
 * it. Limited because each frame repeats the whole reply so far.
 */
const batchSize = 64 * 1024

type Frames = Channel.Channel<Chunk.Chunk<Uint8Array>>
type Writer = Channel.Channel<Chunk.Chunk<Uint8Array>, Chunk.Chunk<string>, never, unknown>

/**
 * The frames of a reply; those available together are one chunk. A failure of any kind ends it with an error frame and
 * without `[DONE]`.
 */
const toFrames = (deltas: Stream.Stream<string, unknown>): Frames =>
  Channel.suspend(() => {
    const encoder = new FrameEncoder()
    const write = (frames: Uint8Array) => Channel.write(Chunk.of(frames))
    const writeWaiting = (next: () => Writer): Writer =>
      encoder.size === 0 ? next() : Channel.flatMap(write(encoder.take()), next)
    const writeAll = (deltas: ReadonlyArray<string>, from: number): Writer => {
      let index = from
      for (; index < deltas.length && encoder.size < batchSize; index++) encoder.add(deltas[index]!)
      return writeWaiting(() => index < deltas.length ? writeAll(deltas, index) : writer)
    }
    const writer: Writer = Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<string>) => writeAll(Chunk.toReadonlyArray(chunk), 0),
      onFailure: (cause: Cause.Cause<unknown>) =>
        Channel.zipRight(
          Channel.fromEffect(Effect.logError("The responder failed; the client got an error frame.", cause)),
          write(errorFrame({ code: 500, msg: "The responder failed." }))
        ),
      onDone: () => {
        encoder.end()
        return writeWaiting(() => write(doneFrame))
      }
    })
    // Node sends the headers with the first bytes, but a client has separate timeouts for headers and first delta.
    return Channel.zipRight(write(new Uint8Array(0)), Channel.pipeTo(Stream.toChannel(deltas), writer))
  })

/**
 * A finalizer of the responder that dies ends the whole channel, without an error frame; so does a defect of what reads
 * the reply, such as middleware. The platform says nothing of either.
 */
const logDefect = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isFailure(exit) && Cause.isDie(exit.cause)
    ? Effect.logError("A defect of a finalizer, or of what reads the reply, has cut the reply off.", exit.cause)
    : Effect.void

/** Whether the router, which is lenient about case, slashes and escapes, may route it to `stream`. */
const isStreamRequest = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const path = request.url.split(/[?;#]/, 1)[0]!
  const plain = Either.getOrElse(Encoding.decodeUriComponent(path), () => path)
  return plain.replace(/\/+/g, "/").toLowerCase().includes(Protocol.paths.stream)
}

/** Redacts the nearest span with a URL: middleware may have opened a span within that of the server. */
const redactUrl = (span: Tracer.AnySpan | undefined): void => {
  if (span?._tag !== "Span") return
  if (!span.attributes.has("url.full")) return redactUrl(Option.getOrUndefined(span.parent))
  for (const name of ["url.full", "url.path", "url.query"]) span.attribute(name, "REDACTED")
}

/**
 * The HTTP server logs the URL, and that of `stream` holds the stream token. It also has a span with the URL if it runs
 * in a fiber that is without the setting of `withoutStreamSpans`, such as one of another runtime.
 */
const withoutStreamUrl = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.withFiberRuntime<A, E, R | HttpServerRequest.HttpServerRequest>((fiber) => {
    if (!isStreamRequest(Context.unsafeGet(fiber.currentContext, HttpServerRequest.HttpServerRequest))) return handler
    redactUrl(fiber.currentSpan)
    return HttpMiddleware.withLoggerDisabled(handler)
  })

/** The spans of the HTTP server hold the URL too. */
const withoutStreamSpans: Layer.Layer<never> = Layer.fiberRefLocallyScopedWith(
  HttpMiddleware.currentTracerDisabledWhen,
  (previous) => (request) => isStreamRequest(request) || previous(request)
)

/**
 * The three routes of the protocol, below `/api/chatgpt/`. The server sends the headers of a stream at once, before the
 * first delta; Bun holds them back until that. A responder that fails ends the reply with an error frame and without
 * `[DONE]`.
 *
 * Every error of these routes is JSON of the shape `{"code", "msg"}`, and `code` is the status:
 *
 * - 400: a body that is unreadable, not JSON or of the wrong shape; a `stream` without a token; where the Node server
 *   listens for upgrades, as the platform's does, a request with an `upgrade` header, such as from `curl --http2`.
 * - 401: a `text` without a bearer token, or whose session is unknown or older than `sessionLifetime`.
 * - 403: a session without a reply left (`usageLimit`); a stream token that is unknown, was used, or is older than
 *   `streamTokenLifetime`.
 * - 404: another path below `/api/chatgpt/`, or another method.
 * - 413: a body larger than `maxBodySize`.
 * - 429, with `retry-after: 1`: `maxSessions`, `maxStreamTokens` or `maxReplies` is reached.
 *
 * `/api/chatgpt/` itself, and a path with a broken escape such as `/api/chatgpt/%zz`, match no route of this package
 * and get the router's own 404.
 *
 * A responder runs in the context of the `stream` request: `Effect.serviceOption` finds its `HttpServerRequest`, and
 * what middleware provides.
 *
 * Each layer has its own sessions, in memory. Tokens come from the cryptographic random source of the platform.
 *
 * URLs of `stream`, which contain a token, stay out of the HTTP server's log and spans; spans of the responder join the
 * client's trace all the same. If you disable spans yourself, as with `HttpMiddleware.withTracerDisabledForUrls`, do so
 * around the whole server: around this layer alone, it re-enables the spans of `stream`. Global middleware that may
 * answer a `stream` itself must be added after this layer, `Layer.provideMerge(middleware, GPTalkServer.layer())`, or
 * that answer is logged with its URL. Middleware that reads a body must hold the same request object as the routes:
 * one from outside a prefixed router, or outside `HttpMiddleware.xForwardedHeaders`, is another.
 *
 * With an invalid option the layer dies when it is built.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import { HttpLayerRouter } from "@effect/platform"
 * import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import * as GPTalkServer from "effect-gptalk/GPTalkServer"
 * import * as Responder from "effect-gptalk/Responder"
 * import { createServer } from "node:http"
 *
 * const Server = HttpLayerRouter.serve(GPTalkServer.layer({ usageLimit: 50, sessionLifetime: "1 day" })).pipe(
 *   Layer.provide(Responder.layerEcho),
 *   Layer.provide(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 8787 }))
 * )
 *
 * Layer.launch(Server).pipe(NodeRuntime.runMain)
 */
export const layer = (
  options?: Options
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Responder.Responder> =>
  Either.match(ServerSettings.make(options), {
    onLeft: (message) => Layer.die(new Error(message)),
    onRight: (settings) => Layer.merge(routes(settings), withoutStreamSpans)
  })

const routes = (settings: ServerSettings.ServerSettings) =>
  HttpLayerRouter.use(Effect.fnUntraced(function*(router) {
    yield* router.addGlobalMiddleware(withoutStreamUrl)
    const responder = yield* Responder.Responder
    const replies = yield* Running.make
    let freeReplies = settings.maxReplies
    const bodies = { maxSize: settings.maxBodySize, running: yield* Running.make, scope: yield* Effect.scope }
    const store = new SessionStore(settings)

    const login = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      yield* readJson(request, Protocol.LoginRequest, bodies)
      const session = store.login(yield* Clock.currentTimeMillis)
      if (session === undefined) return yield* new ErrorAnswer({ code: 429, msg: "too many sessions are in use" })
      return HttpServerResponse.unsafeJson({
        data: { token: session.token, expires_at: Math.floor(session.expiresAt / 1000) }
      })
    })

    const sessionError = (token: string, now: number): ErrorAnswer | undefined => {
      switch (store.statusOf(token, now)) {
        case "good":
          return undefined
        case "spent":
          return new ErrorAnswer({ code: 403, msg: "the session is used up" })
        case "unknown":
          return new ErrorAnswer({ code: 401, msg: "the session is unknown or has expired" })
      }
    }

    const text = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const token = bearer(request)
      if (token === undefined) {
        return yield* new ErrorAnswer({ code: 401, msg: "an authorization header with a bearer token is required" })
      }
      const early = sessionError(token, yield* Clock.currentTimeMillis)
      if (early !== undefined) return yield* early
      const body = yield* readJson(request, Protocol.TextRequest, bodies)
      const now = yield* Clock.currentTimeMillis
      // While the body was being read, others may have used up the session, or it may have expired. There must be no
      // other effect between this and `accept`, where the fiber may yield to them.
      const late = sessionError(token, now)
      if (late !== undefined) return yield* late
      const streamToken = store.accept(token, toResponderRequest(body), now)
      if (streamToken === undefined) {
        return yield* new ErrorAnswer({ code: 429, msg: "too many replies are waiting or running" })
      }
      return HttpServerResponse.unsafeJson({ data: { token: streamToken } })
    })

    const stream = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const token = (yield* HttpServerRequest.ParsedSearchParams)["token"]
      if (typeof token !== "string") return yield* new ErrorAnswer({ code: 400, msg: "a token is required" })
      const now = yield* Clock.currentTimeMillis
      // For the whole request, and not only from when the reply begins: many may arrive before one begins. The limit is
      // checked in the same step, or all that yield between would pass.
      const asked = yield* Effect.acquireRelease(
        Effect.suspend(() => {
          if (freeReplies <= 0) return new ErrorAnswer({ code: 429, msg: "too many replies are running" })
          const asked = store.redeem(token, now)
          if (asked === undefined) {
            return new ErrorAnswer({ code: 403, msg: "the token is unknown, was used, or has expired" })
          }
          freeReplies--
          return Effect.succeed(asked)
        }),
        (asked) =>
          Effect.sync(() => {
            freeReplies++
            store.release(asked)
          })
      )
      // Its scope may be closed when the body begins.
      const requestContext = Context.omit(Scope.Scope)(yield* Effect.context<never>())
      // The server's own span, which is disabled, would have joined the client's trace.
      const clientContext = Option.match(HttpTraceContext.fromHeaders(request.headers), {
        onNone: Context.empty,
        onSome: (span) => Context.make(Tracer.ParentSpan, span)
      })
      // What comes later takes precedence, such as a span that middleware has opened over that of the client.
      const deltas = Stream.mapInputContext(
        Stream.suspend(() => responder.respond(asked)),
        (bodyContext: Context.Context<never>) => Context.mergeAll(bodyContext, clientContext, requestContext)
      )
      const reply = Running.channel(toFrames(deltas), () => [replies, ...Connection.running(request)], logDefect)
      return HttpServerResponse.stream(Stream.fromChannel(reply), {
        contentType: "text/event-stream",
        headers: { "cache-control": "no-cache", "x-accel-buffering": "no" }
      })
    })

    const answer = <R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, ErrorAnswer, R>) =>
      Effect.catchAll(
        Effect.zipRight(Connection.refuseUpgrade, effect),
        (error) => Effect.succeed(toResponse(error))
      )

    const notFound = answer(new ErrorAnswer({ code: 404, msg: "there is no such path, or not for this method" }))

    yield* router.add("POST", Protocol.paths.login, (request) => answer(login(request)))
    yield* router.add("POST", Protocol.paths.text, (request) => answer(text(request)))
    yield* router.add("GET", Protocol.paths.stream, (request) => answer(stream(request)))
    yield* router.add("*", "/api/chatgpt/*", notFound)
  }))
