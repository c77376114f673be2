/**
 * Reads the body of a request within limits and validates it. An invalid one fails with an `ErrorAnswer`.
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Protocol from "../Protocol.js"
import type * as Responder from "../Responder.js"
import * as Connection from "./connection.js"
import { ErrorAnswer } from "./errorAnswer.js"
import { describe } from "./issue.js"
import * as Json from "./json.js"
import type * as Running from "./running.js"

/**
 * The body of `text` as the request that a `Responder` gets.
 *
 * @internal
 */
export const toResponderRequest = (body: Protocol.TextRequest): Responder.Request => ({
  prompt: body.content,
  model: body.model,
  temperature: body.temperature,
  systemPrompt: body.prompt,
  contextMessages: body.ctx_msg_count
})

/** @internal */
export interface Options {
  /** In bytes. */
  readonly maxSize: number
  /** Requests whose bodies are being read. */
  readonly running: Running.Running
  /** The scope in which bodies are read on that were answered before their end. */
  readonly scope: Scope.Scope
}

const unreadable = new ErrorAnswer({ code: 400, msg: "the body could not be read" })

const tooLarge = (maxSize: number): ErrorAnswer =>
  new ErrorAnswer({ code: 413, msg: `the body is larger than ${maxSize} bytes` })

/** The part of Node's `IncomingMessage` that is used here. */
interface NodeSource {
  readonly setEncoding: (encoding: "utf8") => unknown
  readonly on: (event: "data" | "end" | "error" | "close", listener: (text: string) => void) => unknown
  readonly destroyed: boolean
  readonly destroy: () => unknown
}

/** Also checks that it is still open: a stream that has ended emits no more events. */
const isNodeSource = (source: unknown): source is NodeSource =>
  Predicate.hasProperty(source, "readable") && source.readable === true && Predicate.hasProperty(source, "setEncoding")

/** Whether the request declares a length within the limit. HTTP ensures that its body is not longer than that. */
const isSmall = ({ headers }: HttpServerRequest.HttpServerRequest, maxSize: number): boolean =>
  Number(headers["content-length"]) <= maxSize && headers["transfer-encoding"] === undefined

/**
 * The fast path for nearly every body: in the time that the platform's `text` and `stream` take longer, dozens of
 * frames can be sent.
 */
const readSmall = (source: NodeSource, running: Running.Running): Effect.Effect<string, ErrorAnswer> =>
  Effect.async((resume) => {
    const leave = running.enter()
    const settle = (outcome: Effect.Effect<string, ErrorAnswer>) => {
      leave()
      resume(outcome)
    }
    let text = ""
    source.setEncoding("utf8")
    source.on("data", (more) => {
      text += more
    })
    source.on("end", () => settle(Effect.succeed(text)))
    source.on("error", () => settle(Effect.fail(unreadable)))
    return Effect.sync(() => {
      leave()
      // Not at once: middleware that has waited long enough still has to answer on this connection. If the client has
      // disconnected, there is nothing left to do, and no event to undo it.
      if (!source.destroyed) source.on("close", running.onEnd(() => source.destroy()))
    })
  })

/** How much of a body that is too large is still read, as a multiple of the limit. */
const discardFactor = 4

/** How long a client that sends still more is kept waiting, unread, before it is disconnected. */
const grace = "1 second"

/**
 * A body that is too large is answered at once, but read on for a while: if the connection were closed while the client
 * still sends, the client would see a reset instead of the answer.
 */
const readAny = Effect.fnUntraced(function*(
  request: HttpServerRequest.HttpServerRequest,
  { maxSize, scope }: Options
): Effect.fn.Return<string, ErrorAnswer> {
  const body = yield* Deferred.make<string, ErrorAnswer>()
  const refuse = (error: ErrorAnswer) => Deferred.unsafeDone(body, error)
  const refuseTooLarge = () => refuse(tooLarge(maxSize))
  const decoder = new TextDecoder()
  let text = ""
  let size = 0
  const receive = (bytes: Uint8Array): Effect.Effect<void> => {
    size += bytes.length
    if (size <= maxSize) text += decoder.decode(bytes, { stream: true })
    else {
      text = ""
      refuseTooLarge()
    }
    return size > maxSize * discardFactor ? Effect.zipRight(Effect.sleep(grace), Effect.interrupt) : Effect.void
  }
  const refuseUnread = Effect.sync(() => refuse(unreadable))
  // The failure must not become that of the fiber, which is logged: it holds the request.
  const safe = Stream.catchAll(request.stream, () => Stream.execute(refuseUnread))
  const read = Stream.runForEach(safe, receive).pipe(
    Effect.zipRight(Effect.sync(() => Deferred.unsafeDone(body, Effect.sync(() => text + decoder.decode())))),
    Effect.onError(() => refuseUnread)
  )
  yield* Effect.forkIn(Effect.interruptible(Connection.effect(read, request)), scope)
  if (Number(request.headers["content-length"]) > maxSize) refuseTooLarge()
  return yield* Deferred.await(body)
})

/** Whether other code has already begun to read the source, be it a Node stream or a web request. */
const isTaken = (source: unknown): boolean =>
  Predicate.hasProperty(source, "bodyUsed")
    ? source.bodyUsed === true
    : Predicate.hasProperty(source, "readableFlowing") && source.readableFlowing !== null

/** Resumes when everything has run that waits for no event from outside. */
const nextTurn = Effect.async<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void))
  return Effect.sync(() => clearTimeout(timer))
})

/**
 * If middleware has read the body with the platform's `text`, it is still there. If it was read in another way, nothing
 * is left of it, and on Node `text` would wait forever.
 */
const readTaken = (
  request: HttpServerRequest.HttpServerRequest,
  { maxSize }: Options
): Effect.Effect<string, ErrorAnswer> => {
  const text = Effect.mapError(request.text, () => unreadable)
  const isOver = Predicate.hasProperty(request.source, "readable") && request.source.readable === false
  return Effect.filterOrFail(
    isOver ? Effect.raceFirst(text, Effect.zipRight(nextTurn, Effect.fail(unreadable))) : text,
    (text) => new TextEncoder().encode(text).length <= maxSize,
    () => tooLarge(maxSize)
  )
}

const readText = (
  request: HttpServerRequest.HttpServerRequest,
  options: Options
): Effect.Effect<string, ErrorAnswer> => {
  if (isTaken(request.source)) return readTaken(request, options)
  return isSmall(request, options.maxSize) && isNodeSource(request.source)
    ? readSmall(request.source, options.running)
    : readAny(request, options)
}

/** @internal */
export const readJson = <A, I>(
  request: HttpServerRequest.HttpServerRequest,
  schema: Schema.Schema<A, I>,
  options: Options
): Effect.Effect<A, ErrorAnswer> =>
  Effect.flatMap(readText(request, options), (text) =>
    Json.parse(text.replace(/^\uFEFF/, "")).pipe(
      Either.flatMap((json) => Either.mapLeft(Schema.decodeUnknownEither(schema)(json), describe)),
      Either.mapLeft((issue) => new ErrorAnswer({ code: 400, msg: issue }))
    ))
