/**
 * Reads the body of a request within limits and validates it. An invalid one fails with an `ErrorAnswer`.
 */
import { RequestError } from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Protocol from "../Protocol.js"
import type * as Responder from "../Responder.js"
import { ofChunk } from "./bytes.js"
import * as Connection from "./connection.js"
import { ErrorAnswer } from "./errorAnswer.js"
import { describe } from "./issue.js"
import * as Json from "./json.js"
import * as Running from "./running.js"

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
  /** The scope in which the rest of an unneeded body is received. */
  readonly scope: Scope.Scope
}

const encoder = new TextEncoder()

const unreadable = new ErrorAnswer({ code: 400, msg: "the body could not be read" })

const tooLarge = (maxSize: number): ErrorAnswer =>
  new ErrorAnswer({ code: 413, msg: `the body is larger than ${maxSize} bytes` })

const saysTooLarge = ({ headers }: HttpServerRequest.HttpServerRequest, maxSize: number): boolean =>
  Number(headers["content-length"]) > maxSize

/** The part of Node's `IncomingMessage` that is used here. */
interface NodeSource {
  readonly destroyed: boolean
  readonly on: (
    event: "data" | "pause" | "end" | "error" | "close",
    listener: (chunk: Uint8Array | string) => void
  ) => unknown
  readonly pause: () => unknown
  readonly isPaused: () => boolean
  readonly destroy: () => unknown
}

/** Also checks that it is still open: a stream that has ended emits no more events. */
const isNodeSource = (source: unknown): source is NodeSource =>
  Predicate.hasProperty(source, "readable") && source.readable === true && Predicate.hasProperty(source, "pause")

/** How much of a body that is too large is still read, as a multiple of the limit. */
const drainFactor = 4

/** How long a client that sends even more is left unread before it is disconnected. */
const disconnectDelay = "1 second"

/**
 * Receives the rest of a body that is no longer needed. It is not cut off at once, as its connection still has to send
 * an answer, but it is when the server ends, which would otherwise wait for it.
 */
const drain = (
  source: NodeSource,
  request: HttpServerRequest.HttpServerRequest,
  { scope }: Options
): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (source.destroyed) return Effect.void
    const disconnect = Effect.sync(() => source.destroy())
    const rest = Effect.async<void>((resume) => {
      const stopReading = () => resume(Effect.delay(disconnect, disconnectDelay))
      if (source.isPaused()) stopReading()
      source.on("pause", stopReading)
      for (const event of ["end", "close"] as const) source.on(event, () => resume(Effect.void))
    })
    return Connection.effect(rest, request).pipe(
      Effect.interruptible,
      Effect.onInterrupt(() => disconnect),
      Effect.forkIn(scope),
      Effect.asVoid,
      Effect.uninterruptible
    )
  })

/** The text of a body, dropped once it is too large. */
class BodyText {
  readonly #decoder = new TextDecoder()
  #text = ""
  size = 0

  constructor(readonly maxSize: number) {}

  get isTooLarge(): boolean {
    return this.size > this.maxSize
  }

  add(bytes: Uint8Array): void {
    this.size += bytes.length
    this.#text = this.isTooLarge ? "" : this.#text + this.#decoder.decode(bytes, { stream: true })
  }

  end(): string {
    return this.#text + this.#decoder.decode()
  }
}

/**
 * Reads a body by Node's events: the platform's `text` and `stream` take longer by the time of dozens of frames, and by
 * ten times as long for each chunk.
 *
 * A body that is too large is answered at once, but still read for a while: if the connection closed while the client
 * still sends, the client would see a reset instead of the answer.
 */
const readNode = (
  source: NodeSource,
  request: HttpServerRequest.HttpServerRequest,
  options: Options
): Effect.Effect<string, ErrorAnswer> =>
  Effect.async((resume) => {
    const { maxSize } = options
    const rest = drain(source, request, options)
    const body = new BodyText(maxSize)
    const refuse = () => resume(Effect.zipRight(rest, Effect.fail(tooLarge(maxSize))))
    source.on("data", (chunk) => {
      body.add(ofChunk(chunk))
      if (body.isTooLarge) refuse()
      if (body.size > maxSize * drainFactor) source.pause()
    })
    source.on("end", () => resume(Effect.succeed(body.end())))
    source.on("error", () => resume(Effect.fail(unreadable)))
    if (saysTooLarge(request, maxSize)) refuse()
    return rest
  })

/** Reads a body by its stream, which is stopped when it is too large. */
const readStream = (
  request: HttpServerRequest.HttpServerRequest,
  { maxSize }: Options
): Effect.Effect<string, ErrorAnswer> =>
  Effect.suspend(() => {
    if (saysTooLarge(request, maxSize)) return tooLarge(maxSize)
    const body = new BodyText(maxSize)
    // A failed stream has its failure logged, which may hold the request.
    let isBroken = false
    return request.stream.pipe(
      Stream.catchAllCause(() => Stream.execute(Effect.sync(() => isBroken = true))),
      Stream.runForEachWhile((bytes) =>
        Effect.sync(() => {
          body.add(bytes)
          return !body.isTooLarge
        })
      ),
      Effect.flatMap(() => {
        if (isBroken) return unreadable
        return body.isTooLarge ? tooLarge(maxSize) : Effect.succeed(body.end())
      })
    )
  })

/** Whether other code has already begun to read the source, be it a Node stream or a web request. */
const isTaken = (source: unknown): boolean =>
  Predicate.hasProperty(source, "bodyUsed")
    ? source.bodyUsed === true
    : Predicate.hasProperty(source, "readableFlowing") && source.readableFlowing !== null

/** Resumes once everything that waits for no outside event has run. */
const nextTurn = Effect.async<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void))
  return Effect.sync(() => clearTimeout(timer))
})

/**
 * If middleware has read the body with the platform's `text`, that still returns it. If the body was read in another
 * way, it is gone, and on Node `text` would wait forever.
 */
const readTaken = (
  request: HttpServerRequest.HttpServerRequest,
  { maxSize }: Options
): Effect.Effect<string, ErrorAnswer> => {
  const text = Effect.mapError(request.text, () => unreadable)
  const isOver = Predicate.hasProperty(request.source, "readable") && request.source.readable === false
  return Effect.filterOrFail(
    isOver ? Effect.raceFirst(text, Effect.zipRight(nextTurn, Effect.fail(unreadable))) : text,
    (text) => encoder.encode(text).length <= maxSize,
    () => tooLarge(maxSize)
  )
}

/**
 * Middleware that asks the same request for its text later gets it: the source is read, and on Node the platform's
 * `text` would wait forever. A request that others have changed may refuse the property.
 */
const keepText = (
  request: HttpServerRequest.HttpServerRequest,
  text: Effect.Effect<string, RequestError>
): Effect.Effect<void> =>
  Effect.sync(() => Reflect.defineProperty(request, "text", { value: text, configurable: true }))

const readText = (
  request: HttpServerRequest.HttpServerRequest,
  options: Options
): Effect.Effect<string, ErrorAnswer> => {
  const { source } = request
  if (isTaken(source)) return readTaken(request, options)
  const read = isNodeSource(source) ? readNode(source, request, options) : readStream(request, options)
  return Effect.tapBoth(Running.effect(read, options.running), {
    // Not there at once, or the platform would print it with the request.
    onSuccess: (text) => keepText(request, Effect.promise(async () => text)),
    onFailure: ({ msg }) => keepText(request, new RequestError({ request, reason: "Decode", description: msg }))
  })
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
