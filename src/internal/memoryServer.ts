/**
 * Connects an `HttpClient` to server routes without a network: converts requests and answers, and applies faults to the
 * answers.
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Take from "effect/Take"
import * as Tracer from "effect/Tracer"
import type { Fault } from "../GPTalkTest.js"

/** @internal */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Stream.Stream<Uint8Array, Error>
}

/** A fault after some pieces of an answer's body: a piece is one frame, or a whole JSON body. */
type BodyFault = Extract<Fault, { readonly after: number }>

const utf8 = new TextEncoder()
const lineFeed = 10

/** An error in Node's shape. */
const networkError = (code: string, message: string): Error => Object.assign(new Error(message), { code })

/** @internal */
export const connectionRefused = (request: HttpClientRequest.HttpClientRequest): HttpClientError.RequestError =>
  new HttpClientError.RequestError({
    request,
    reason: "Transport",
    cause: networkError("ECONNREFUSED", "connection refused")
  })

/** @internal */
export const bodyText = (request: HttpClientRequest.HttpClientRequest): string =>
  request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""

const toWebRequest = (request: HttpClientRequest.HttpClientRequest, url: URL): Request =>
  new Request(url, {
    method: request.method,
    headers: request.headers,
    ...(request.body._tag === "Uint8Array" ? { body: bodyText(request) } : {})
  })

/** Splits a chunk of the server, which may hold several frames, into its frames: faults count them. */
const splitFrames = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const frames: Array<Uint8Array> = []
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    const line = bytes.indexOf(lineFeed, start)
    end = line < 0 ? bytes.length : line + 2
    frames.push(bytes.subarray(start, end))
  }
  return frames
}

const connectionReset = () => networkError("ECONNRESET", "connection reset")

/**
 * In a fiber of its own, one piece ahead of its reader. The end of the server interrupts it and waits for it; the fiber
 * that reads the answer may be what ends the server, so the queue has room for the end even when nobody reads.
 *
 * A `Mailbox` would need no semaphore, but its reader yields between looking for a piece and waiting for one: a piece
 * that is offered just then is seen by nobody.
 */
const inOwnFiber = <A, E>(body: Stream.Stream<A, E>): Stream.Stream<A, Error> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const queue = yield* Queue.unbounded<Take.Take<A, Error>>()
    const taken = yield* Effect.makeSemaphore(0)
    const write = (piece: A) => Effect.zipRight(Queue.offer(queue, Take.of(piece)), taken.take(1))
    yield* Effect.interruptible(Stream.runForEach(body, write)).pipe(
      Effect.onExit((exit) => Queue.offer(queue, Exit.isSuccess(exit) ? Take.end : Take.fail(connectionReset()))),
      Effect.forkScoped
    )
    return Stream.fromQueue(queue, { maxChunkSize: 1 }).pipe(
      Stream.tap(() => taken.release(1)),
      Stream.flattenTake
    )
  }))

const toAnswer = ({ body, headers, status }: HttpServerResponse.HttpServerResponse): Answer => ({
  status,
  headers,
  body: body._tag === "Stream"
    ? Stream.mapConcat(inOwnFiber(body.stream), splitFrames)
    : body._tag === "Uint8Array"
    ? Stream.make(body.body)
    : Stream.empty
})

/**
 * Answers requests from the routes. A request ends with its scope.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*(routes: Layer.Layer<never, never, HttpLayerRouter.HttpRouter>) {
  const app = yield* HttpLayerRouter.toHttpEffect(routes).pipe(
    // Otherwise the routes would be added to the program's own router.
    Effect.provideServiceEffect(Layer.CurrentMemoMap, Layer.makeMemoMap)
  )
  return (request: HttpClientRequest.HttpClientRequest, url: URL): Effect.Effect<Answer, never, Scope.Scope> =>
    app.pipe(
      Effect.catchAll(() => Effect.succeed(HttpServerResponse.empty({ status: 404 }))),
      Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(toWebRequest(request, url))),
      // The routes run in the caller's fiber, but must not change its logger setting or its span.
      Effect.locally(HttpMiddleware.loggerDisabled, true),
      Effect.mapInputContext((context: Context.Context<Scope.Scope>) => Context.omit(Tracer.ParentSpan)(context)),
      Effect.map(toAnswer)
    )
})

/**
 * Keeps the scope of a request open until the body of its answer has been read or the request is aborted, as a server
 * on a network does.
 *
 * @internal
 */
export const untilBodyEnds = <E>(
  answer: Effect.Effect<Answer, E, Scope.Scope>,
  signal: AbortSignal
): Effect.Effect<Answer, E> =>
  Effect.flatMap(Scope.make(), (scope) => {
    const close = Scope.close(scope, Exit.void)
    signal.addEventListener("abort", () => Effect.runFork(close), { once: true })
    return Scope.extend(answer, scope).pipe(
      Effect.map((answer) => ({ ...answer, body: Stream.ensuring(answer.body, close) })),
      Effect.onError(() => close)
    )
  })

/** @internal */
export const textAnswer = (status: number, body: string, headers: Readonly<Record<string, string>>): Answer => ({
  status,
  headers,
  body: Stream.make(utf8.encode(body))
})

/**
 * Whether the fault takes effect before the first piece of the body.
 *
 * @internal
 */
export const preventsBody = (fault: Fault | undefined): boolean =>
  fault !== undefined && "after" in fault && fault._tag !== "Line" && fault.after <= 0

/** @internal */
export const applyFault = (answer: Answer, fault: BodyFault): Answer => {
  const until = Stream.take(answer.body, fault.after)
  switch (fault._tag) {
    case "Stall":
      return { ...answer, body: Stream.concat(until, Stream.never) }
    case "CutOff":
      return { ...answer, body: Stream.concat(until, Stream.failSync(connectionReset)) }
    case "End":
      return { ...answer, body: until }
    case "Line":
      return {
        ...answer,
        body: Stream.mapConcat(
          Stream.zipWithIndex(answer.body),
          ([frame, index]) => index === fault.after ? [utf8.encode(`${fault.line}\n\n`), frame] : [frame]
        )
      }
  }
}

/**
 * The answer as the client sees it. Its body is no web stream, which on an error would lose what is not read yet. Like
 * a body on a network, it can be read once; if that was as `text`, the text is kept.
 *
 * @internal
 */
export const toClientResponse = (
  request: HttpClientRequest.HttpClientRequest,
  { body, headers, status }: Answer
): HttpClientResponse.HttpClientResponse => {
  const head = HttpClientResponse.fromWeb(request, new Response(null, { status, headers }))
  const toError = (cause: unknown) =>
    new HttpClientError.ResponseError({ request, response: head, reason: "Decode", cause })
  let isTaken = false
  let hasText = false
  const once = Stream.suspend(() => {
    if (isTaken) return Stream.fail(toError(new TypeError("the body was already read")))
    isTaken = true
    return Stream.mapError(body, toError)
  })
  const arrayBuffer = Effect.flatMap(
    Stream.runCollect(once),
    (pieces) => Effect.promise(() => new Blob(Array.from(pieces) as Array<BlobPart>).arrayBuffer())
  ).pipe(Effect.cached, Effect.runSync)
  const text = Effect.suspend(() => {
    hasText = true
    return Effect.map(arrayBuffer, (buffer) => new TextDecoder().decode(buffer))
  })
  const stream = Stream.suspend(() => hasText ? Stream.encodeText(Stream.fromEffect(text)) : once)
  return Object.create(head, { stream: { value: stream }, text: { value: text }, arrayBuffer: { value: arrayBuffer } })
}
