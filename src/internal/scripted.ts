/**
 * A `Responder` that says what a test has written down, and knows when that is used up.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Options, Reply } from "../GPTalkTest.js"
import * as Responder from "../Responder.js"

const toDeltas = (reply: Reply): Stream.Stream<string, unknown> => {
  if (typeof reply === "string") return Stream.make(reply)
  return Stream.StreamTypeId in reply ? reply : Stream.fromIterable(reply)
}

/** @internal */
export interface Scripted {
  readonly responder: Responder.Service
  /** Called when a stream is answered; whether its reply begins. */
  readonly promise: (begins: boolean) => Effect.Effect<void>
}

/** @internal */
export const make = (replies: Options["replies"]): Scripted => {
  if (replies === undefined) return { responder: Responder.echo, promise: () => Effect.void }
  if (typeof replies === "function") {
    return { responder: Responder.make((request) => toDeltas(replies(request))), promise: () => Effect.void }
  }
  // Promised with the answer, as a client takes the failure of a body for one of the connection; used when it begins.
  let promised = 0
  let used = 0
  const none = Effect.dieMessage(`GPTalkTest: a reply was asked for when all ${replies.length} were used`)
  return {
    responder: Responder.make(() => toDeltas(replies[used++] ?? Stream.fromEffect(none))),
    promise: (begins) =>
      Effect.suspend(() => {
        if (promised === replies.length) return none
        // One that a fault keeps from beginning is there for the retry.
        if (begins) promised++
        return Effect.void
      })
  }
}
