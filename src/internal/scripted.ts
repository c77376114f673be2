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
  /** Reserves the next reply when the body of a `stream` answer is about to begin; dies if there is none left. */
  readonly reserve: Effect.Effect<void>
}

/** @internal */
export const make = (replies: Options["replies"]): Scripted => {
  if (replies === undefined) return { responder: Responder.echo, reserve: Effect.void }
  if (typeof replies === "function") {
    return { responder: Responder.make((request) => toDeltas(replies(request))), reserve: Effect.void }
  }
  // A reply is reserved with the answer, since a client takes a failure of the body for one of the connection. It is
  // used when the body begins.
  let reserved = 0
  let used = 0
  const none = Effect.dieMessage(`GPTalkTest: a reply was asked for after all ${replies.length} were used`)
  return {
    responder: Responder.make(() => toDeltas(replies[used++] ?? Stream.fromEffect(none))),
    reserve: Effect.suspend(() => reserved++ < replies.length ? Effect.void : none)
  }
}
