/**
 * One open event stream: its bytes as batches of deltas, under the `firstDelta` and `idle` timeouts.
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GPTalkError from "../GPTalkError.js"
import * as Fault from "./fault.js"
import { FrameDecoder } from "./frameDecoder.js"
import { Inbox } from "./inbox.js"
import type { Settings } from "./settings.js"
import * as Transport from "./transport.js"

/** @internal */
export interface Options {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly settings: Settings
  readonly secrets: ReadonlyArray<string>
}

/**
 * The next deltas, or `undefined` at the end of the reply.
 *
 * @internal
 */
export type Pull = Effect.Effect<ReadonlyArray<string> | undefined, GPTalkError.GPTalkError>

/** Timers cannot be set for ever. */
const longestPause = 3_600_000

/**
 * How long the service may still be silent. Only the time spent waiting for it counts, not the time that the consumer
 * takes between two pulls.
 */
class Patience {
  private phase: "firstDelta" | "idle" = "firstDelta"
  private waited = 0
  private waitingSince: number | undefined

  constructor(private readonly timeouts: Settings["timeouts"], private readonly clock: Clock.Clock) {}

  private get limit(): Duration.Duration {
    return this.timeouts[this.phase]
  }

  get left(): number {
    const waiting = this.waitingSince === undefined ? 0 : this.clock.unsafeCurrentTimeMillis() - this.waitingSince
    return Duration.toMillis(this.limit) - this.waited - waiting
  }

  get isWaiting(): boolean {
    return this.waitingSince !== undefined
  }

  wait(): void {
    this.waitingSince = this.clock.unsafeCurrentTimeMillis()
  }

  stop(): void {
    if (this.waitingSince !== undefined) this.waited += this.clock.unsafeCurrentTimeMillis() - this.waitingSince
    this.waitingSince = undefined
  }

  /** A good frame came. Until the first delta has, the time to that runs on. */
  renew(hasText: boolean): void {
    if (hasText) this.phase = "idle"
    if (this.phase === "idle") this.waited = 0
  }

  /** Fails through `onTimeout` when the patience is at its end, and is done. */
  watch(onTimeout: (error: GPTalkError.TimeoutError) => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      const left = this.left
      if (left <= 0 && this.isWaiting) {
        onTimeout(new GPTalkError.TimeoutError({ step: "stream", phase: this.phase, after: this.limit }))
        return Effect.void
      }
      // Never longer than `idle`, so that a long first timeout does not oversleep the second one.
      const rest = left > 0 ? left : Duration.toMillis(this.limit)
      const pause = Math.min(rest, Duration.toMillis(this.timeouts.idle), longestPause)
      return Effect.flatMap(this.clock.sleep(Duration.millis(pause)), () => this.watch(onTimeout))
    })
  }
}

/** @internal */
export const make = Effect.fnUntraced(function*(
  { response, secrets, settings }: Options
): Effect.fn.Return<Pull, never, Scope.Scope> {
  const decoder = new FrameDecoder(settings.maxFrameSize)
  const inbox = new Inbox<Chunk.Chunk<Uint8Array>, GPTalkError.GPTalkError>()
  const patience = new Patience(settings.timeouts, yield* Effect.clock)
  let hasText = false

  // Read by a fiber of its own, so that no mock and no client can hold a timeout back.
  yield* Transport.body(response, { step: "stream", secrets }).pipe(
    Stream.runForEachChunk((chunk) => inbox.offer(chunk)),
    Effect.exit,
    Effect.map((exit) => inbox.end(Exit.as(exit, undefined))),
    Effect.interruptible,
    Effect.forkScoped
  )
  yield* patience.watch((error) => inbox.end(Exit.fail(error))).pipe(Effect.interruptible, Effect.forkScoped)

  const fail = (error: GPTalkError.GPTalkError) => Effect.fail(error)

  const incomplete = () =>
    new GPTalkError.IncompleteReplyError({
      step: "stream",
      text: decoder.text.replace(/\p{Surrogate}/gu, "\ufffd")
    })

  const finish: Pull = Effect.suspend(() => {
    switch (decoder.outcome?._tag) {
      case "Done":
        return Effect.succeed(undefined)
      case "ServiceFault":
        return fail(Fault.toServiceError(decoder.outcome.fault, { step: "stream", status: response.status, secrets }))
      case "Malformed":
        return fail(new GPTalkError.ProtocolError({ step: "stream", issue: decoder.outcome.issue }))
      case undefined:
        return fail(incomplete())
    }
  })

  const receive = (chunk: Chunk.Chunk<Uint8Array>): Pull => {
    patience.stop()
    const before = decoder.goodFrames
    const deltas: Array<string> = []
    for (const bytes of chunk) {
      for (const delta of decoder.push(bytes)) deltas.push(delta)
    }
    if (deltas.length > 0) hasText = true
    if (decoder.goodFrames > before) patience.renew(hasText)
    const next = deltas.length > 0 ? Effect.succeed(deltas) : pull
    return decoder.passedOver.length === 0 ? next : Effect.zipRight(
      Effect.forEach(
        decoder.passedOver.splice(0),
        (issue) => Effect.logDebug(`unreadable frame passed over: ${issue}`),
        {
          discard: true
        }
      ),
      next
    )
  }

  const ended = (broken: Option.Option<GPTalkError.GPTalkError>): Pull => {
    const deltas = decoder.end()
    if (deltas.length > 0) return Effect.succeed(deltas)
    if (decoder.outcome !== undefined || Option.isNone(broken)) return finish
    return fail(broken.value._tag === "ConnectionError" && hasText ? incomplete() : broken.value)
  }

  const pull: Pull = Effect.suspend(() => {
    if (decoder.outcome !== undefined) return finish
    patience.wait()
    return Effect.matchEffect(inbox.take, {
      onSuccess: (chunk) => chunk === undefined ? ended(Option.none()) : receive(chunk),
      onFailure: (error) => ended(Option.some(error))
    })
  })

  return pull
})
