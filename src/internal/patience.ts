/**
 * How long one call waits for the service, whatever it waits for: one watcher for all of its timeouts.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as GPTalkError from "../GPTalkError.js"
import type { Settings } from "./settings.js"

type Phase = keyof Settings["timeouts"]

/** Timers cannot be set for ever. */
const longestPause = 3_600_000

/**
 * Within the stream only the time spent waiting for the service counts, not what the consumer takes between two pulls.
 *
 * @internal
 */
export class Patience {
  private step: GPTalkError.Step = "text"
  private phase: Phase | undefined
  private waited = 0
  private waitingSince: number | undefined
  private isPulled = false
  private readonly shortest: number

  constructor(private readonly timeouts: Settings["timeouts"], private readonly clock: Clock.Clock) {
    this.shortest = Math.min(longestPause, ...Object.values(timeouts).map(Duration.toMillis))
  }

  /** A new wait begins, for an answer (`response`) or within the stream. */
  begin(step: GPTalkError.Step, phase: Phase): void {
    this.step = step
    this.phase = phase
    this.waited = 0
    this.waitingSince = phase === "response" || this.isPulled ? this.clock.unsafeCurrentTimeMillis() : undefined
  }

  /** There is nothing to wait for. */
  end(): void {
    this.phase = undefined
  }

  /** The consumer asks for more. */
  pull(): void {
    this.isPulled = true
    if (this.waitingSince === undefined) this.waitingSince = this.clock.unsafeCurrentTimeMillis()
  }

  /** The consumer has got something. */
  handOver(): void {
    this.isPulled = false
    if (this.waitingSince !== undefined) this.waited += this.clock.unsafeCurrentTimeMillis() - this.waitingSince
    this.waitingSince = undefined
  }

  /** Hands the error to `onTimeout` when the patience is at its end, and is done. */
  watch(onTimeout: (error: GPTalkError.TimeoutError) => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { phase } = this
      const left = phase === undefined ? Infinity : this.left(phase)
      if (phase !== undefined && left <= 0 && this.waitingSince !== undefined) {
        onTimeout(new GPTalkError.TimeoutError({ step: this.step, phase, after: this.timeouts[phase] }))
        return Effect.void
      }
      // Never longer than the shortest timeout, so that a long one does not oversleep the one that follows it.
      const pause = left > 0 ? Math.min(left, this.shortest) : this.shortest
      return Effect.flatMap(this.clock.sleep(Duration.millis(pause)), () => this.watch(onTimeout))
    })
  }

  private left(phase: Phase): number {
    const waiting = this.waitingSince === undefined ? 0 : this.clock.unsafeCurrentTimeMillis() - this.waitingSince
    return Duration.toMillis(this.timeouts[phase]) - this.waited - waiting
  }
}
