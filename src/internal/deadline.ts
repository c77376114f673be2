/**
 * The timeouts of a call, except for the login's. For all calls of a layer, one fiber watches each clock: a race for
 * each wait (`Effect.timeout`) would take as long as a request, and a fiber for each call would hold 4 KiB.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as GPTalkError from "../GPTalkError.js"
import type { Settings } from "./settings.js"

type Timeouts = Settings["timeouts"]
type OnTimeout = (error: GPTalkError.TimeoutError) => void

/**
 * Sleeps until the earliest deadline of all calls, and then checks which of them have timed out.
 *
 * @internal
 */
export class Watchdog {
  readonly #calls = new Set<Deadline>()
  #fiber: Fiber.RuntimeFiber<void> | undefined
  #wakesAt = Infinity
  #stopping: ReturnType<typeof setTimeout> | undefined

  constructor(readonly timeouts: Timeouts, readonly clock: Clock.Clock) {}

  watch(deadline: Deadline): void {
    clearTimeout(this.#stopping)
    this.#calls.add(deadline)
  }

  forget(deadline: Deadline): void {
    this.#calls.delete(deadline)
    // Deferred: when one call follows another, stopping and sleeping again for each would take 35 µs.
    if (this.#calls.size === 0) this.#stopping = setTimeout(() => this.#stop(), 0)
  }

  /** In milliseconds, by a monotonic clock. */
  now(): number {
    return Number(this.clock.unsafeCurrentTimeNanos()) / 1e6
  }

  /** Makes sure that the deadlines are checked at `time` at the latest. */
  wakeAt(time: number): void {
    if (time >= this.#wakesAt) return
    this.#stop()
    this.#fiber = Effect.runFork(this.#check)
  }

  #stop(): void {
    this.#fiber?.unsafeInterruptAsFork(FiberId.none)
    this.#wakesAt = Infinity
  }

  readonly #check: Effect.Effect<void> = Effect.suspend(() => {
    const now = this.now()
    this.#wakesAt = Infinity
    for (const deadline of this.#calls) this.#wakesAt = Math.min(this.#wakesAt, deadline.check(now))
    if (this.#wakesAt === Infinity) return Effect.void
    return Effect.flatMap(this.clock.sleep(Duration.millis(this.#wakesAt - now)), () => this.#check)
  })
}

/**
 * Returns the one watchdog of each clock: a program under test has a clock of its own.
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
 * The timeouts of one attempt of a call. Within the stream, only the time spent waiting for the service counts, not the
 * time that the consumer takes between two pulls.
 *
 * @internal
 */
export class Deadline {
  /** What the call waits for, as the error of its timeout reports it. */
  #wait!: Pick<GPTalkError.TimeoutError, "step" | "phase" | "after">
  /** Since when the consumer waits; Infinity while it does not. In milliseconds. */
  #since = Infinity
  /** For how long it may wait from then on; Infinity if the call waits for nothing. In milliseconds. */
  #left = Infinity
  /** The fiber that waits, or was the last to do so. */
  #consumer: Fiber.RuntimeFiber<unknown, unknown> | undefined

  readonly #watchdog: Watchdog
  readonly #onTimeout: OnTimeout

  constructor(watchdog: Watchdog, onTimeout: OnTimeout) {
    this.#watchdog = watchdog
    this.#onTimeout = onTimeout
    watchdog.watch(this)
  }

  /** Begins a new wait: for an answer (`response`), or within the stream. */
  begin(step: GPTalkError.Step, phase: keyof Timeouts): void {
    const after = this.#watchdog.timeouts[phase]
    this.#wait = { step, phase, after }
    this.#left = Duration.toMillis(after)
    if (this.#since < Infinity) this.#start()
  }

  /** Ends the wait. */
  end(): void {
    this.#left = Infinity
  }

  /**
   * The current fiber waits, until `pause` or its own end, which comes soon after its pull was interrupted. Observing
   * that once for each fiber costs nothing, where a finalizer of each wait would double its cost.
   */
  resume(): void {
    const consumer = Option.getOrThrow(Fiber.getCurrentFiber())
    if (consumer !== this.#consumer) {
      this.#consumer?.removeObserver(this.pause)
      consumer.addObserver(this.pause)
      this.#consumer = consumer
    }
    if (this.#since === Infinity) this.#start()
  }

  /** Nobody waits from now on: no time counts until somebody does again. */
  readonly pause = (): void => {
    if (this.#since < Infinity) this.#left -= this.#watchdog.now() - this.#since
    this.#since = Infinity
  }

  /** Ends the watch over the attempt. */
  close(): void {
    this.#watchdog.forget(this)
    this.#consumer?.removeObserver(this.pause)
  }

  /** Reports a timeout if the deadline has passed. Returns when to check again. */
  check(now: number): number {
    // A deadline less than a microsecond away counts as passed: a number cannot hold today's time more exactly.
    if (this.#time() - now < 1e-3) {
      this.#onTimeout(new GPTalkError.TimeoutError(this.#wait))
      this.end()
    }
    return this.#time()
  }

  #start(): void {
    this.#since = this.#watchdog.now()
    this.#watchdog.wakeAt(this.#time())
  }

  #time(): number {
    return this.#since + this.#left
  }
}
