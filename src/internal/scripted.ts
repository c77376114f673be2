/**
 * A `Responder` with the replies that a test has listed, which knows when they are used up.
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
  /**
   * Reserves the next reply when a `stream` request is answered; dies if there is none left. `begins` is whether the
   * body of the answer begins: if it does not, the reply stays available.
   */
  readonly reserve: (begins: boolean) => Effect.Effect<void>
}

/** @internal */
export const make = (replies: Options["replies"]): Scripted => {
  if (replies === undefined) return { responder: Responder.echo, reserve: () => Effect.void }
  if (typeof replies === "function") {
    return { responder: Responder.make((request) => toDeltas(replies(request))), reserve: () => Effect.void }
  }
  // A reply is reserved with the answer, since a client takes a failure of the body for one of the connection. It is
  // used when the body begins.
  let reserved = 0
  let used = 0
  const none = Effect.dieMessage(`GPTalkTest: a reply was asked for after all ${replies.length} were used`)
  return {
    responder: Responder.make(() => toDeltas(replies[used++] ?? Stream.fromEffect(none))),
    reserve: (begins) =>
      Effect.suspend(() => {
        if (reserved === replies.length) return none
        // A reply that a fault keeps from beginning is left for the retry.
        if (begins) reserved++
        return Effect.void
      })
  }
}
