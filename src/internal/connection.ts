/**
 * The connection of a request: what must be done about it because neither Node nor the platform does it.
 */
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { ErrorAnswer } from "./errorAnswer.js"
import * as Running from "./running.js"

/** The part of Node's `Socket` that is used here. */
interface NodeSocket {
  readonly destroyed: boolean
  readonly on: (event: "close" | "end" | "error" | "finish", listener: () => void) => unknown
  readonly resume: () => unknown
  readonly destroy: () => unknown
}

const isNodeSocket = (value: unknown): value is NodeSocket =>
  Predicate.hasProperty(value, "on") && Predicate.hasProperty(value, "destroyed")

/** `undefined` for a web request, and for an adapter without a real connection. */
const socketOf = ({ source }: HttpServerRequest.HttpServerRequest): NodeSocket | undefined =>
  Predicate.hasProperty(source, "socket") && isNodeSocket(source.socket) ? source.socket : undefined

const isUpgrade = ({ source }: HttpServerRequest.HttpServerRequest): boolean =>
  Predicate.hasProperty(source, "upgrade") && source.upgrade === true

/**
 * Refuses an upgrade request, which curl sends with `--http2`, and Java's client by default. If the server listens for
 * upgrades, Node detaches the connection, with the body unread. The connection would stay open until the client closes
 * it, even past the server's end, and an error on it without a listener would crash the process.
 *
 * @internal
 */
export const refuseUpgrade: Effect.Effect<void, ErrorAnswer, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  (request) => {
    const socket = socketOf(request)
    if (socket === undefined || !isUpgrade(request)) return Effect.void
    socket.on("error", () => {})
    for (const event of ["end", "finish"] as const) socket.on(event, () => socket.destroy())
    // If data is unread when the connection closes, the client sees a reset instead of the answer.
    socket.resume()
    return new ErrorAnswer({
      code: 400,
      msg: "upgrades are not supported: send no upgrade header",
      closes: true
    })
  }
)

/** Fibers to interrupt once the client has gone. */
const runningUntil = (isOver: boolean, listen: (end: () => void) => unknown): Running.Running => {
  const running = new Running.Running()
  const end = () => running.end(HttpServerError.clientAbortFiberId)
  if (isOver) end()
  else listen(end)
  return running
}

const runningOf = new WeakMap<NodeSocket, Running.Running>()

/** The fibers to interrupt when the connection closes. One listener serves all requests of a connection. */
const runningOn = (socket: NodeSocket): Running.Running => {
  const known = runningOf.get(socket)
  if (known !== undefined) return known
  const running = runningUntil(socket.destroyed, (end) => socket.on("close", end))
  runningOf.set(socket, running)
  return running
}

/** The part of an `AbortSignal` that is used here. */
interface Signal {
  readonly aborted: boolean
  readonly addEventListener: (type: "abort", listener: () => void, options: { readonly once: true }) => unknown
}

const isSignal = (value: unknown): value is Signal =>
  Predicate.hasProperty(value, "aborted") && Predicate.hasProperty(value, "addEventListener")

/** A web request is aborted when the client goes away. */
const runningUntilAbort = ({ source }: HttpServerRequest.HttpServerRequest): ReadonlyArray<Running.Running> => {
  if (!Predicate.hasProperty(source, "signal") || !isSignal(source.signal)) return []
  const { signal } = source
  return [runningUntil(signal.aborted, (end) => signal.addEventListener("abort", end, { once: true }))]
}

const discardBody = ({ source }: HttpServerRequest.HttpServerRequest): void => {
  if (Predicate.hasProperty(source, "resume") && typeof source.resume === "function") source.resume()
}

/**
 * Ends when the client of an answered request goes away, which the platform does not tell the body of its answer. Node
 * reports it only to the first of pipelined requests, and not while a body is unread, which is discarded here. None
 * where neither a connection nor a signal reports it.
 *
 * @internal
 */
export const running = (request: HttpServerRequest.HttpServerRequest): ReadonlyArray<Running.Running> => {
  const socket = socketOf(request)
  if (socket === undefined) return runningUntilAbort(request)
  discardBody(request)
  return [runningOn(socket)]
}

/**
 * Interrupts the effect when the connection closes. Node does not report that to an answered request.
 *
 * @internal
 */
export const effect = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<A, E, R> => {
  const socket = socketOf(request)
  return socket === undefined ? self : Running.effect(self, runningOn(socket))
}
