/**
 * One call from start to end: an attempt, and more of them as long as no delta has arrived. After the first delta there
 * is no retry, so no text is delivered twice.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { GPTalkError } from "../GPTalkError.js"
import * as Attempt from "./attempt.js"
import { isSuccess, type Next, type Pull } from "./reply.js"
import { Secrets } from "./secrets.js"
import * as Span from "./span.js"
import * as Telemetry from "./telemetry.js"
import type { Question } from "./transport.js"

/** @internal */
export interface Exchange {
  /** The first pull sends the requests. */
  readonly pull: Pull
  readonly close: Attempt.Close
}

/**
 * What a call needs, once its request and the options of its layer are validated.
 *
 * @internal
 */
export interface Prepared {
  readonly dependencies: Attempt.Dependencies
  readonly question: Question
  /** The messages that the question was made of, since the service may quote a single one. */
  readonly contents: ReadonlyArray<string>
}

const longestRetryAfter = Duration.seconds(60)

/**
 * 0.5 s, doubling to 8 s, each shortened by up to a fifth, so that calls that failed together are not retried together.
 */
const backoff = (retry: number): Effect.Effect<Duration.Duration> =>
  Effect.map(
    Random.nextRange(0.8, 1),
    (jitter) => Duration.millis(Math.min(500 * 2 ** retry, 8000) * jitter)
  )

/** The delay before the next attempt. Fails with the error if there must be no retry. */
const retryDelay = (
  error: GPTalkError,
  retry: number,
  retries: number
): Effect.Effect<Duration.Duration, GPTalkError> => {
  if (!error.isRetryable || retry >= retries) return Effect.fail(error)
  if (!("retryAfter" in error) || Option.isNone(error.retryAfter)) return backoff(retry)
  const delay = error.retryAfter.value
  return Duration.greaterThan(delay, longestRetryAfter) ? Effect.fail(error) : Effect.succeed(delay)
}

/** @internal */
export const make = (name: string, prepared: Either.Either<Prepared, GPTalkError>): Exchange => {
  let attempt: Attempt.Attempt | undefined
  /** Replaced as the call goes on: none at first, then one that retries, then the attempt's own. */
  let pull: Pull | undefined
  let count = 0
  let delay: Effect.Effect<void> = Effect.void
  let end: Attempt.Close = () => Effect.void
  /**
   * How a pull of the call failed. The exit that `close` is given is the consumer's, which may not know of this, or has
   * failed itself: that is reported elsewhere, and may hold text of the reply.
   */
  let failure: Exit.Exit<never, GPTalkError> | undefined

  const noting = (next: Next): Next =>
    isSuccess(next) ? next : Effect.catchAllCause(next, (cause) => {
      failure = Exit.failCause(cause)
      return failure
    })

  const release: Attempt.Close = (exit) =>
    Effect.suspend(() => {
      const closing = attempt?.close(exit)
      attempt = undefined
      return closing ?? Effect.void
    })

  const firstDeltas = (dependencies: Attempt.Dependencies, call: Attempt.Call): Next =>
    Effect.catchAll(
      Effect.suspend(() => (attempt ??= Attempt.make(dependencies, call, delay)).pull()),
      (error) =>
        retryDelay(error, count, dependencies.settings.retries).pipe(
          Effect.flatMap((time) => {
            count++
            delay = Effect.sleep(time)
            return Effect.zipRight(Telemetry.countRetry(error), release(Exit.fail(error)))
          }),
          // If interrupted here, the pull would fail again the next time, and count as two retries.
          Effect.uninterruptible,
          Effect.zipRight(firstDeltas(dependencies, call))
        )
    )

  const start = Effect.uninterruptible(Effect.gen(function*() {
    const clock = yield* Effect.clock
    const startTime = clock.unsafeCurrentTimeNanos()
    const span = yield* Span.open(name)
    end = (exit) =>
      Telemetry.recordEnd(span, attempt?.progress(), exit).pipe(
        // A tracer may throw, a finalizer of the client may die.
        Effect.ensuring(release(exit)),
        Effect.ensuring(Effect.sync(() => Span.end(span, clock, exit)))
      )
    Telemetry.annotateCall(span)
    const { contents, dependencies, question } = yield* prepared
    Telemetry.annotateRequest(span, question)
    const secrets = new Secrets([question.content, question.prompt, ...contents, ...dependencies.secrets])
    const call = { question, span, clock, runtime: yield* Effect.runtime(), secrets }
    pull = () =>
      Effect.tap(firstDeltas(dependencies, call), (deltas) => {
        pull = attempt?.pull
        return deltas === undefined
          ? Effect.void
          : Telemetry.recordFirstDelta(span, startTime, clock.unsafeCurrentTimeNanos())
      })
  }))

  // If interrupted, the first pull runs again: the call must then go on, not begin a second time.
  const first: Next = Effect.suspend(() => pull?.() ?? Effect.zipRight(start, first))

  return {
    pull: () => noting(pull?.() ?? first),
    close: (exit) => Effect.suspend(() => end(failure ?? (Telemetry.isInterruption(exit) ? exit : Exit.void)))
  }
}
