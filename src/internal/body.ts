/**
 * The body of a response, read chunk by chunk.
 *
 * If the response holds the client's own source of bytes, a Node stream or a web stream, that source is read directly:
 * running an Effect `Stream` costs about 250 µs per body, as much as the rest of a short reply. Every other response is
 * read through its `stream`.
 */
import type { ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { GPTalkError } from "../GPTalkError.js"
import { ofChunk } from "./bytes.js"
import type { Deadline } from "./deadline.js"

/** For how long, in real time, and for how many bytes a body that nobody needs any more is drained. */
const lingerMillis = 250
const lingerSize = 64 * 1024

/** Also from another realm, such as the sandbox of a test. */
const isBytes = (value: unknown): value is Uint8Array => Object.prototype.toString.call(value) === "[object Uint8Array]"

interface Sink {
  /** Returns how many bytes wait to be read. Once they are read, `resume` of the source is called. */
  readonly push: (bytes: unknown) => number
  readonly end: () => void
  /** Does nothing after the end. */
  readonly fail: (error: unknown) => void
}

interface Source {
  readonly resume: () => void
  readonly cancel: () => void
}

type Open = (sink: Sink) => Source

interface NodeReadable {
  readonly destroyed: boolean
  readonly readableEnded: boolean
  readonly readableDidRead: boolean
  readonly errored: unknown
  readonly on: (event: string, listener: (value: unknown) => void) => unknown
  readonly pause: () => unknown
  readonly resume: () => unknown
  readonly destroy: () => unknown
}

const isNodeReadable = (value: unknown): value is NodeReadable => Predicate.hasProperty(value, "readableEnded")

/** In bytes. A Node stream emits many small chunks: pausing and resuming it costs more than buffering some of them. */
const highWaterMark = 64 * 1024

const fromNode = (readable: NodeReadable): Open => (sink) => {
  const onClose = () => sink.fail({ message: "the connection was closed" })
  // A stream that ended or broke before anyone listened emits no more events.
  if (readable.errored) sink.fail(readable.errored)
  else if (readable.readableEnded) sink.end()
  else if (readable.destroyed) onClose()
  readable.on("data", (chunk) => {
    if (sink.push(ofChunk(chunk)) >= highWaterMark) readable.pause()
  })
  readable.on("end", sink.end)
  readable.on("error", sink.fail)
  readable.on("close", onClose)
  return {
    resume: () => readable.resume(),
    cancel: () => readable.destroy()
  }
}

const isWebStream = (value: unknown): value is ReadableStream<Uint8Array> => Predicate.hasProperty(value, "getReader")

/**
 * How many chunks of a web stream may wait. Two available chunks reach the reader together: waking it for each would
 * take half again as long, and batches of more than two would save hardly anything.
 */
const mostWaiting = 2

const fromWeb = (stream: ReadableStream<Uint8Array>): Open => (sink) => {
  const reader = stream.getReader()
  let waiting = 0
  const read = (): void => {
    reader.read().then(({ done, value }) => {
      if (done) sink.end()
      else if (sink.push(value) === 0 || ++waiting < mostWaiting) read()
    }, sink.fail)
  }
  read()
  return {
    resume: () => {
      const isReading = waiting < mostWaiting
      waiting = 0
      if (!isReading) read()
    },
    cancel: () => void reader.cancel().catch(() => {})
  }
}

const isEmptyBody = (error: unknown): boolean => Predicate.hasProperty(error, "reason") && error.reason === "EmptyBody"

const fromStream = <E>(stream: Stream.Stream<Uint8Array, E>, runtime: Runtime.Runtime<never>): Open => (sink) => {
  const room = Effect.unsafeMakeLatch(true)
  const safe = Stream.catchAllCause(stream, (cause) => {
    const error = Cause.squash(cause)
    if (!isEmptyBody(error)) sink.fail(error)
    return Stream.empty
  })
  // A failure holds the request, and a span its URL: neither may be logged or traced.
  const silent = runtime.pipe(
    Runtime.setFiberRef(FiberRef.unhandledErrorLogLevel, Option.none()),
    Runtime.setFiberRef(FiberRef.currentTracerEnabled, false),
    // Nor may an annotation of such a span go to that of the call.
    Runtime.updateContext(Context.omit(Tracer.ParentSpan))
  )
  const fiber = Runtime.runFork(silent)(
    Stream.runForEach(safe, (bytes) => {
      if (sink.push(bytes) > 0) room.unsafeClose()
      return room.await
    }).pipe(
      Effect.onExit(() => Effect.sync(sink.end)),
      Effect.interruptible
    )
  )
  return {
    resume: () => room.unsafeOpen(),
    cancel: () => fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

/** @internal */
export interface Handlers<A> {
  readonly onChunks: (chunks: ReadonlyArray<Uint8Array>) => Effect.Effect<A, GPTalkError>
  readonly onEnd: (end: Exit.Exit<undefined, GPTalkError>) => Effect.Effect<A, GPTalkError>
}

/**
 * The bytes of one response, for one reader at a time. The reader may begin to wait before there is a response.
 *
 * @internal
 */
export class Body {
  #chunks: Array<Uint8Array> = []
  #size = 0
  #exit: Exit.Exit<undefined, GPTalkError> | undefined
  #isSourceDone = false
  #lingering: ReturnType<typeof setTimeout> | undefined
  #reader: (() => void) | undefined
  #source: Source | undefined

  /** The status of the response; 0 until there is one. */
  status = 0

  /**
   * Kept as long as it is read: the platform aborts a request whose response is garbage-collected.
   */
  response: HttpClientResponse.HttpClientResponse | undefined

  readonly #onError: (error: unknown) => GPTalkError
  readonly #deadline: Deadline | undefined

  /** The deadline is that of a stream: it is told of the response, and of when the reader begins to wait. */
  constructor(onError: (error: unknown) => GPTalkError, deadline?: Deadline) {
    this.#onError = onError
    this.#deadline = deadline
  }

  /** Begins to read the response, until its end or until `close`. */
  connect(response: HttpClientResponse.HttpClientResponse, runtime: Runtime.Runtime<never>): void {
    this.#deadline?.begin("stream", "firstDelta")
    this.response = response
    this.status = response.status
    this.#source = sourceOf(response, runtime)({
      push: (bytes) => this.#push(bytes),
      end: () => this.#finish(Exit.succeed(undefined)),
      fail: (error) => {
        if (!this.#isSourceDone) this.#finish(Exit.fail(this.#onError(error)))
      }
    })
  }

  /** Continues with the next chunks or with the end, at once or as soon as there are any. */
  read<A>(handlers: Handlers<A>): Effect.Effect<A, GPTalkError> {
    if (this.#size > 0) {
      const chunks = this.#chunks
      this.#chunks = []
      this.#size = 0
      this.#source?.resume()
      return handlers.onChunks(chunks)
    }
    if (this.#exit !== undefined) return handlers.onEnd(this.#exit)
    const again = Effect.suspend(() => this.read(handlers))
    // No finalizer, which would double the cost: resuming a reader that was interrupted does nothing.
    return Effect.async((resume) => {
      this.#deadline?.resume()
      this.#reader = () => resume(again)
      // The fiber may have yielded, and bytes or the end may have come, since the checks above.
      if (this.#size > 0 || this.#exit !== undefined) this.#wake()
    })
  }

  /** Ends the body from outside. Only the first end counts. */
  end(exit: Exit.Exit<undefined, GPTalkError>): void {
    this.#exit ??= exit
    this.#wake()
  }

  /** Closes the connection, unless the body has ended. */
  close(): void {
    const source = this.#source
    this.#releaseSource()
    source?.cancel()
  }

  /** Reads on to the end of the body if that is near, so that the connection can be reused; else closes it. */
  linger(): void {
    if (this.#isSourceDone) return
    this.#lingering = setTimeout(() => this.close(), lingerMillis)
    this.#chunks = []
    this.#size = 0
    this.#source?.resume()
  }

  #push(bytes: unknown): number {
    if (!isBytes(bytes)) {
      this.end(Exit.fail(this.#onError(new TypeError("a chunk of the body is not a Uint8Array"))))
      this.close()
      // Not 0, which would ask for more.
      return 1
    }
    // Deferred: the next chunk may already be there.
    if (this.#size === 0) queueMicrotask(() => this.#wake())
    this.#size += bytes.length
    if (this.#lingering !== undefined) {
      if (this.#size > lingerSize) this.close()
      return 0
    }
    this.#chunks.push(bytes)
    return this.#size
  }

  #finish(exit: Exit.Exit<undefined, GPTalkError>): void {
    this.#releaseSource()
    this.end(exit)
  }

  #releaseSource(): void {
    clearTimeout(this.#lingering)
    this.#isSourceDone = true
    this.#source = undefined
    this.response = undefined
  }

  /** Does nothing if the reader was woken before. */
  #wake(): void {
    this.#reader?.()
  }
}

/** A body that was already read, as by a client that logs it. The response still has it as text. */
const textOf = (response: HttpClientResponse.HttpClientResponse): Stream.Stream<Uint8Array, ResponseError> =>
  Stream.encodeText(Stream.fromEffect(response.text))

/** A property that is not inherited. */
const own = (value: unknown, key: string): unknown =>
  Predicate.hasProperty(value, key) && Object.hasOwn(value, key) ? value[key] : undefined

/**
 * Finds the source of bytes in a response of the platform's clients. It is in `source`, of the response or of its
 * `original` if the platform made it interruptible, which its `controller` shows: for undici and fetch the `body` of
 * `source`, for `node:http` `source` itself. A response that only inherits these properties, or has its own `stream`,
 * was made by code that provides its bytes in another way.
 */
const sourceOf = (response: HttpClientResponse.HttpClientResponse, runtime: Runtime.Runtime<never>): Open => {
  const source = own(own(response, "controller") === undefined ? response : own(response, "original"), "source")
  const body = Predicate.hasProperty(source, "body") ? source.body : source
  if (Object.hasOwn(response, "stream")) return fromStream(response.stream, runtime)
  if (isWebStream(body)) return body.locked ? fromStream(textOf(response), runtime) : fromWeb(body)
  if (isNodeReadable(body)) return body.readableDidRead ? fromStream(textOf(response), runtime) : fromNode(body)
  return fromStream(response.stream, runtime)
}
