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

/**
 * Sleeps until the first wait of any call may be over.
 *
 * @internal
 */
export class Watchdog {
  readonly #calls = new Set<Patience>()
  #fiber: Fiber.RuntimeFiber<void> | undefined
  #wakesAt = Infinity
  #stopping: ReturnType<typeof setTimeout> | undefined

  constructor(readonly timeouts: Timeouts, readonly clock: Clock.Clock) {}

  watch(patience: Patience): void {
    clearTimeout(this.#stopping)
    this.#calls.add(patience)
  }

  forget(patience: Patience): void {
    this.#calls.delete(patience)
    // Not at once: where one call follows another, to go to sleep for each takes 35 µs.
    if (this.#calls.size === 0) this.#stopping = setTimeout(() => this.#stop(), 0)
  }

  /** A wait has begun that lasts no longer. */
  wakeAt(deadline: number): void {
    if (deadline >= this.#wakesAt) return
    this.#stop()
    this.#fiber = Effect.runFork(this.#look)
  }

  #stop(): void {
    this.#fiber?.unsafeInterruptAsFork(FiberId.none)
    this.#fiber = undefined
    this.#wakesAt = Infinity
  }

  readonly #look: Effect.Effect<void> = Effect.suspend(() => {
    const now = this.clock.unsafeCurrentTimeMillis()
    this.#wakesAt = Infinity
    for (const patience of this.#calls) this.#wakesAt = Math.min(this.#wakesAt, patience.look(now))
    if (this.#wakesAt === Infinity) return Effect.void
    return Effect.flatMap(this.clock.sleep(Duration.millis(this.#wakesAt - now)), () => this.#look)
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
  #step: GPTalkError.Step = "text"
  #phase: keyof Timeouts | undefined
  #waited = 0
  #waitingSince: number | undefined
  #isPulled = false

  readonly #watchdog: Watchdog
  readonly #onTimeout: OnTimeout

  constructor(watchdog: Watchdog, onTimeout: OnTimeout) {
    this.#watchdog = watchdog
    this.#onTimeout = onTimeout
  }

  /** Whether the consumer has asked for something that it has not got. */
  get isPulled(): boolean {
    return this.#isPulled
  }

  /** A new wait begins, for an answer (`response`) or within the stream. */
  begin(step: GPTalkError.Step, phase: keyof Timeouts): void {
    this.#step = step
    this.#phase = phase
    this.#waited = 0
    this.#waitingSince = phase === "response" || this.#isPulled ? this.#now() : undefined
    this.#watchdog.wakeAt(this.#deadline())
  }

  /** There is nothing to wait for. */
  end(): void {
    this.#phase = undefined
  }

  /** The consumer asks for more. */
  pull(): void {
    this.#isPulled = true
    this.#waitingSince ??= this.#now()
    this.#watchdog.wakeAt(this.#deadline())
  }

  /** The consumer has got something. */
  handOver(): void {
    this.#isPulled = false
    if (this.#waitingSince !== undefined) this.#waited += this.#now() - this.#waitingSince
    this.#waitingSince = undefined
  }

  /** When to look again. If the wait is over by now, this was the timeout. */
  look(now: number): number {
    const deadline = this.#deadline()
    // Less than a nanosecond cannot be slept.
    if (deadline - now >= 1e-6 || this.#phase === undefined) return deadline
    const after = this.#watchdog.timeouts[this.#phase]
    this.#onTimeout(new GPTalkError.TimeoutError({ step: this.#step, phase: this.#phase, after }))
    this.end()
    return Infinity
  }

  #deadline(): number {
    if (this.#phase === undefined || this.#waitingSince === undefined) return Infinity
    return this.#waitingSince + Duration.toMillis(this.#watchdog.timeouts[this.#phase]) - this.#waited
  }

  #now(): number {
    return this.#watchdog.clock.unsafeCurrentTimeMillis()
  }
}
