/**
 * Reads the body of the stream as batches of deltas, until the reply is complete or fails.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as GPTalkError from "../GPTalkError.js"
import type { Body, Handlers } from "./body.js"
import type { Deadline } from "./deadline.js"
import * as Fault from "./fault.js"
import { FrameDecoder } from "./frameDecoder.js"
import type { Secrets } from "./secrets.js"

/** `undefined` at the end of the reply. */
type Deltas = ReadonlyArray<string> | undefined

/** @internal */
export type Next = Effect.Effect<Deltas, GPTalkError.GPTalkError>

/**
 * Asks for the next deltas. The returned effect must be run before the next call.
 *
 * @internal
 */
export type Pull = () => Next

/** @internal */
export interface Reply {
  readonly pull: Pull
  /** Whether the consumer has reached the end of the reply, and how many deltas have arrived. */
  readonly progress: () => { readonly isComplete: boolean; readonly deltas: number }
}

/** @internal */
export interface Options {
  readonly body: Body
  readonly deadline: Deadline
  /** What must not appear in the text of an error. */
  readonly secrets: Secrets
  /** In bytes. */
  readonly maxFrameSize: number
}

/** @internal */
export const make = ({ body, deadline, maxFrameSize, secrets }: Options): Reply => {
  const decoder = new FrameDecoder(maxFrameSize)
  let deltaCount = 0
  let isComplete = false

  const incomplete = () => new GPTalkError.IncompleteReplyError({ step: "stream", text: decoder.text.toWellFormed() })

  /** From here on, the time is the consumer's. */
  const handOn = (deltas: Deltas): Next => {
    deadline.pause()
    return Effect.succeed(deltas)
  }

  const failWith = (fault: Fault.ServiceFault) =>
    Fault.toServiceError(fault, { step: "stream", status: body.status, secrets })

  const finish = (): Next => {
    const { outcome } = decoder
    switch (outcome?._tag) {
      case "Done":
        isComplete = true
        return handOn(undefined)
      case "ServiceFault":
        return failWith(outcome.fault)
      case "Malformed":
        return new GPTalkError.ProtocolError({ step: "stream", issue: outcome.issue })
      case undefined: {
        const fault = decoder.unframedFault
        return fault === undefined ? incomplete() : failWith(fault)
      }
    }
  }

  const receive = (chunks: ReadonlyArray<Uint8Array>): Next => {
    const before = decoder.goodFrames
    const deltas: Array<string> = []
    for (const bytes of chunks) decoder.push(bytes, deltas)
    deltaCount += deltas.length
    // Until the first delta arrives, the wait for it goes on, whatever else arrives.
    if (deltaCount > 0 && decoder.goodFrames > before) deadline.begin("stream", "idle")
    const next = (): Next => deltas.length > 0 ? handOn(deltas) : Effect.suspend(pull)
    if (decoder.passedOver.length === 0) return next()
    return Effect.zipRight(
      Effect.forEach(
        decoder.passedOver.splice(0),
        (issue) => Effect.logDebug(`unreadable frame passed over: ${issue}`)
      ),
      Effect.suspend(next)
    )
  }

  const handlers: Handlers<Deltas> = {
    onChunks: receive,
    onEnd: Effect.matchEffect({
      onSuccess: finish,
      onFailure: (error) => error._tag === "ConnectionError" && deltaCount > 0 ? incomplete() : Effect.fail(error)
    })
  }

  const pull: Pull = () => decoder.outcome === undefined ? body.read(handlers) : finish()

  return {
    pull,
    progress: () => ({ isComplete, deltas: deltaCount })
  }
}

/**
 * Whether an effect is a value that is already there.
 *
 * @internal
 */
export const isSuccess = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/**
 * The deltas as the channel of a stream.
 *
 * @internal
 */
export const toChannel = (pull: Pull): Channel.Channel<Chunk.Chunk<string>, unknown, GPTalkError.GPTalkError> => {
  const emit = (deltas: Deltas) =>
    deltas === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(deltas)), () => rest)
  const rest: Channel.Channel<Chunk.Chunk<string>, unknown, GPTalkError.GPTalkError> = Channel.suspend(() => {
    const next = pull()
    // Deltas that are already there take no step of the fiber; waiting takes a dozen.
    return isSuccess(next) ? emit(next.value) : Channel.flatMap(Channel.fromEffect(next), emit)
  })
  return rest
}

/**
 * All deltas, joined.
 *
 * @internal
 */
export const toText = (pull: Pull, text = ""): Effect.Effect<string, GPTalkError.GPTalkError> =>
  Effect.flatMap(
    pull(),
    (deltas) => deltas === undefined ? Effect.succeed(text) : toText(pull, text + deltas.join(""))
  )
