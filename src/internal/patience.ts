/**
 * How long a call waits for the service, whatever it waits for. One fiber looks at the clock for all calls: a race for
 * each wait (`Effect.timeout`) takes as long as a request, and a fiber for each call holds 4 KiB.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as GPTalkError from "../GPTalkError.js"
import type { Settings } from "./settings.js"

type Timeouts = Settings["timeouts"]
type OnTimeout = (error: GPTalkError.TimeoutError) => void

/** Timers cannot be set for ever. */
const longestPause = 3_600_000

/**
 * Looks at the clock while there are calls.
 *
 * @internal
 */
export class Watchdog {
  private readonly calls = new Set<Patience>()
  private readonly shortest: number
  private fiber: Fiber.RuntimeFiber<void> | undefined

  constructor(readonly timeouts: Timeouts, readonly clock: Clock.Clock) {
    this.shortest = Math.min(longestPause, ...Object.values(timeouts).map(Duration.toMillis))
  }

  watch(patience: Patience): void {
    this.calls.add(patience)
    this.fiber ??= Effect.runFork(this.look)
  }

  forget(patience: Patience): void {
    this.calls.delete(patience)
    if (this.calls.size > 0) return
    this.fiber?.unsafeInterruptAsFork(FiberId.none)
    this.fiber = undefined
  }

  private readonly look: Effect.Effect<void> = Effect.suspend(() => {
    // Never longer than the shortest timeout, so that a long one does not oversleep one that begins after it.
    let pause = this.shortest
    for (const patience of this.calls) {
      const left = patience.look()
      if (left > 0) pause = Math.min(pause, left)
    }
    return Effect.flatMap(this.clock.sleep(Duration.millis(pause)), () => this.look)
  })
}

/**
 * The one for each clock: a program under test has its own.
 *
 * @internal
 */
export const watchdogs = (timeouts: Timeouts): (clock: Clock.Clock) => Watchdog => {
  const all = new WeakMap<Clock.Clock, Watchdog>()
  return (clock) => {
    const watchdog = all.get(clock) ?? new Watchdog(timeouts, clock)
    all.set(clock, watchdog)
    return watchdog
  }
}

/**
 * The patience of one call. Within the stream only the time spent waiting for the service counts, not what the
 * consumer takes between two pulls.
 *
 * @internal
 */
export class Patience {
  private step: GPTalkError.Step = "text"
  private phase: keyof Timeouts | undefined
  private waited = 0
  private waitingSince: number | undefined
  private isPulled = false

  constructor(private readonly watchdog: Watchdog, private readonly onTimeout: OnTimeout) {}

  /** A new wait begins, for an answer (`response`) or within the stream. */
  begin(step: GPTalkError.Step, phase: keyof Timeouts): void {
    this.step = step
    this.phase = phase
    this.waited = 0
    this.waitingSince = phase === "response" || this.isPulled ? this.now() : undefined
  }

  /** There is nothing to wait for. */
  end(): void {
    this.phase = undefined
  }

  /** The consumer asks for more. */
  pull(): void {
    this.isPulled = true
    this.waitingSince ??= this.now()
  }

  /** The consumer has got something. */
  handOver(): void {
    this.isPulled = false
    this.waited = this.soFar()
    this.waitingSince = undefined
  }

  /** How many milliseconds are left, in which case it may be looked at again; if there are none, this was the timeout. */
  look(): number {
    if (this.phase === undefined) return Infinity
    const after = this.watchdog.timeouts[this.phase]
    const left = Duration.toMillis(after) - this.soFar()
    if (left <= 0 && this.waitingSince !== undefined) {
      this.onTimeout(new GPTalkError.TimeoutError({ step: this.step, phase: this.phase, after }))
      this.end()
    }
    return left
  }

  private soFar(): number {
    return this.waited + (this.waitingSince === undefined ? 0 : this.now() - this.waitingSince)
  }

  private now(): number {
    return this.watchdog.clock.unsafeCurrentTimeMillis()
  }
}
