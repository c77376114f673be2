/**
 * Requests that ask for another protocol, as `curl --http2` and Java's client do by default. Where a server listens for
 * them, Node gives their connection away, with the body unread and nobody to look after the rest of its life.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { Refusal } from "./requestBody.js"

/** The part of Node's `Socket` that is used here. */
interface NodeSocket {
  readonly on: (event: "error" | "finish", listener: () => void) => unknown
  readonly resume: () => unknown
  readonly destroy: () => unknown
}

const socketOf = (source: unknown): NodeSocket | undefined =>
  Predicate.hasProperty(source, "upgrade") && source.upgrade === true && Predicate.hasProperty(source, "socket")
    ? source.socket as NodeSocket
    : undefined

/**
 * Refuses such a request. Its connection is closed after the answer: it would stay open until the client closes it, also
 * when the server ends. Without a listener an error of it would end the process.
 *
 * @internal
 */
export const refuse: Effect.Effect<void, Refusal, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ source }) => {
    const socket = socketOf(source)
    if (socket === undefined) return Effect.void
    socket.on("error", () => {})
    socket.on("finish", () => socket.destroy())
    // What is not read when the connection is closed makes the client see a reset instead of the answer.
    socket.resume()
    return Effect.fail(new Refusal(400, "no other protocol is spoken here: ask without an upgrade header"))
  }
)
