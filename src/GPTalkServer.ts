/**
 * The GPTalk protocol, served: three routes on an `HttpLayerRouter`, answering from a `Responder`.
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fault from "./internal/fault.js"
import { doneFrame, errorFrame, FrameEncoder } from "./internal/frameEncoder.js"
import { describe } from "./internal/issue.js"
import { SessionStore } from "./internal/sessionStore.js"
import * as Protocol from "./Protocol.js"
import * as Responder from "./Responder.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many replies a login is good for. Default 5. */
  readonly usageLimit?: number | undefined
  /** How long a session lives. Default 1 hour. */
  readonly sessionLifetime?: Duration.DurationInput | undefined
  /** How long a stream token waits for its GET. Default 1 minute. */
  readonly streamTokenLifetime?: Duration.DurationInput | undefined
  /**
   * How many sessions are kept. Default 10,000. When there are more, spent ones go first, then the oldest of those
   * never used; when all are in use, a login is answered with 429.
   */
  readonly maxSessions?: number | undefined
  /** How many stream tokens wait at once, each with its prompt. Default 1,000; beyond that `text` answers 429. */
  readonly maxStreamTokens?: number | undefined
  /** The largest request body, in bytes. Default 1 MiB. */
  readonly maxBodySize?: number | undefined
}

/** An answer that is not the one asked for: a status and the service's one error shape. */
class Refusal {
  readonly _tag = "Refusal"
  constructor(readonly code: 400 | 401 | 403 | 404 | 413 | 429, readonly msg: string) {}
}

const toResponse = ({ code, msg }: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson({ code, msg } satisfies typeof Protocol.ErrorBody.Type, {
    status: code,
    headers: code === 429 ? { "retry-after": "1" } : code === 401 ? { "www-authenticate": "Bearer" } : {}
  })

const refuse = (code: Refusal["code"], msg: string): Effect.Effect<never, Refusal> =>
  Effect.fail(new Refusal(code, msg))

/** How much of a body that is too large is still read, so that the client reads the answer and not a reset. */
const discardFactor = 4

const readText = Effect.fnUntraced(function*(
  request: HttpServerRequest.HttpServerRequest,
  maxBodySize: number
): Effect.fn.Return<string, Refusal> {
  const tooLarge = refuse(413, `the body is larger than ${maxBodySize} bytes`)
  if (Number(request.headers["content-length"]) > maxBodySize) return yield* tooLarge
  const decoder = new TextDecoder()
  let text = ""
  let size = 0
  yield* request.stream.pipe(
    Stream.runForEach((bytes) => {
      size += bytes.length
      if (size <= maxBodySize) text += decoder.decode(bytes, { stream: true })
      return size > maxBodySize * discardFactor ? tooLarge : Effect.void
    }),
    Effect.catchAll((error) =>
      error._tag === "Refusal" ? Effect.fail(error) : refuse(400, "the body could not be read")
    )
  )
  return size > maxBodySize ? yield* tooLarge : text + decoder.decode()
})

const readJson = <A, I>(
  request: HttpServerRequest.HttpServerRequest,
  schema: Schema.Schema<A, I>,
  maxBodySize: number
): Effect.Effect<A, Refusal> =>
  Effect.flatMap(readText(request, maxBodySize), (text) =>
    Fault.parseJson(text).pipe(
      Either.flatMap((json) => Either.mapLeft(Schema.decodeUnknownEither(schema)(json), describe)),
      Either.mapLeft((issue) => new Refusal(400, issue))
    ))

const bearer = (request: HttpServerRequest.HttpServerRequest): string | undefined =>
  /^bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]

/**
 * The frames of a reply. A failure, of whatever kind, ends it with an error frame and without `[DONE]`.
 */
const toFrames = (deltas: Stream.Stream<string, unknown>): Stream.Stream<Uint8Array> => {
  const encoder = new FrameEncoder()
  const write = (frame: Uint8Array) => Channel.write(Chunk.of(frame))
  const frames: Channel.Channel<Chunk.Chunk<Uint8Array>, Chunk.Chunk<string>, never, unknown> = Channel.readWithCause({
    onInput: (chunk: Chunk.Chunk<string>) => {
      const texts = Chunk.filter(chunk, (delta) => delta !== "")
      return Channel.flatMap(Channel.write(Chunk.map(texts, (delta) => encoder.frame(delta))), () => frames)
    },
    onFailure: (cause: Cause.Cause<unknown>) =>
      Cause.isInterruptedOnly(cause)
        ? Channel.failCause(cause as Cause.Cause<never>)
        : Channel.zipRight(
          Channel.fromEffect(Effect.logError("The responder failed; the client got an error frame.", cause)),
          write(errorFrame({ code: 500, msg: "The responder failed." }))
        ),
    onDone: () => write(doneFrame)
  })
  return Stream.pipeThroughChannel(deltas, frames)
}

const isStreamRequest = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.url.split("?", 1)[0]!.endsWith(Protocol.paths.stream)

/**
 * Spans of the HTTP server carry the URL, and that of `stream` the stream token.
 */
const withoutStreamSpans: Layer.Layer<never> = Layer.scopedDiscard(
  Effect.locallyScopedWith(
    HttpMiddleware.currentTracerDisabledWhen,
    (previous) => (request: HttpServerRequest.HttpServerRequest) => isStreamRequest(request) || previous(request)
  )
)

/**
 * Running replies end with the layer, whatever their responders do: an HTTP server waits for them before it closes.
 */
const makeReplies: Effect.Effect<Effect.Effect<void, never, Scope.Scope>, never, Scope.Scope> = Effect.gen(function*() {
  const running = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() => Fiber.interruptAll(running))
  return Effect.withFiberRuntime((fiber) =>
    Effect.acquireRelease(
      Effect.sync(() => running.add(fiber)),
      () => Effect.sync(() => running.delete(fiber))
    )
  )
})

/**
 * The three routes of the protocol, below `/api/chatgpt`. Every error is JSON of the shape `{"code", "msg"}` with the
 * status of its code: 400, 401, 403, 404, 413 or 429.
 *
 * Each layer has sessions of its own, in memory; tokens come from the platform's cryptographic source. URLs of
 * `stream`, which hold a token, stay out of the HTTP server's log and spans.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Responder.Responder> =>
  Layer.merge(routes(options), withoutStreamSpans)

const routes = (options: Options = {}) =>
  HttpLayerRouter.use(Effect.fnUntraced(function*(router) {
    const responder = yield* Responder.Responder
    const register = yield* makeReplies
    const maxBodySize = options.maxBodySize ?? 1024 * 1024
    const store = new SessionStore({
      usageLimit: options.usageLimit ?? Protocol.defaultUsageLimit,
      sessionLifetime: Duration.decode(options.sessionLifetime ?? "1 hour"),
      streamTokenLifetime: Duration.decode(options.streamTokenLifetime ?? "1 minute"),
      maxSessions: options.maxSessions ?? 10_000,
      maxStreamTokens: options.maxStreamTokens ?? 1_000
    })

    const login = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      yield* readJson(request, Protocol.LoginRequest, maxBodySize)
      const session = store.login(yield* Clock.currentTimeMillis)
      if (session === undefined) return yield* refuse(429, "too many sessions are in use")
      return HttpServerResponse.unsafeJson({
        data: { token: session.token, expires_at: Math.floor(session.expiresAt / 1000) }
      })
    })

    const text = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const token = bearer(request)
      if (token === undefined) return yield* refuse(401, "an authorization header with a bearer token is needed")
      const standing = store.standing(token, yield* Clock.currentTimeMillis)
      if (standing === "unknown") return yield* refuse(401, "the session is not known, or has expired")
      if (standing === "spent") return yield* refuse(403, "the session is used up")
      const body = yield* readJson(request, Protocol.TextRequest, maxBodySize)
      const now = yield* Clock.currentTimeMillis
      // Others may have used the session while the body was read.
      if (store.standing(token, now) !== "good") return yield* refuse(403, "the session is used up")
      const streamToken = store.accept(token, {
        prompt: body.content,
        model: body.model,
        temperature: body.temperature,
        systemPrompt: body.prompt,
        contextMessages: body.ctx_msg_count
      }, now)
      if (streamToken === undefined) return yield* refuse(429, "too many replies wait to be fetched")
      return HttpServerResponse.unsafeJson({ data: { token: streamToken } })
    })

    const stream = Effect.fnUntraced(function*() {
      const token = (yield* HttpServerRequest.ParsedSearchParams)["token"]
      if (typeof token !== "string") return yield* refuse(400, "a token is needed")
      const request = store.redeem(token, yield* Clock.currentTimeMillis)
      if (request === undefined) return yield* refuse(403, "the token is not known, was used, or has expired")
      yield* register
      return HttpServerResponse.stream(toFrames(responder.respond(request)), {
        contentType: "text/event-stream",
        headers: { "cache-control": "no-cache", "x-accel-buffering": "no" }
      })
    })

    const answer = <R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal, R>) =>
      Effect.catchAll(effect, (refusal) => Effect.succeed(toResponse(refusal)))

    yield* router.add("POST", Protocol.paths.login, (request) => answer(login(request)))
    yield* router.add("POST", Protocol.paths.text, (request) => answer(text(request)))
    yield* router.add("GET", Protocol.paths.stream, HttpMiddleware.withLoggerDisabled(answer(stream())))
    yield* router.add("*", "/api/chatgpt/*", answer(refuse(404, "there is no such path, or not with this method")))
  }))
