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
import type { Next, Pull } from "./reply.js"
import * as Span from "./span.js"
import * as Telemetry from "./telemetry.js"
import type { Question } from "./transport.js"

/** @internal */
export interface Exchange {
  /** The first pull sends the requests. */
  readonly pull: Pull
  readonly close: Attempt.Close
}

/** @internal */
export interface Asked {
  readonly question: Question
  /** The messages that the question was made of: the service may quote one of them alone. */
  readonly words: ReadonlyArray<string>
}

const longestRetryAfter = Duration.seconds(60)

/**
 * 0.5 s, doubling to 8 s, each shortened by up to a fifth, so that calls that failed together are not retried together.
 */
const backoff = (attempt: number): Effect.Effect<Duration.Duration> =>
  Effect.map(
    Random.nextRange(0.8, 1),
    (jitter) => Duration.millis(Math.round(Math.min(500 * 2 ** attempt, 8000) * jitter))
  )

/** The delay before the next attempt. Fails with the error if there must not be one. */
const retryDelay = (
  error: GPTalkError,
  attempt: number,
  retries: number
): Effect.Effect<Duration.Duration, GPTalkError> => {
  if (!error.isRetryable || attempt >= retries) return Effect.fail(error)
  if (!("retryAfter" in error) || Option.isNone(error.retryAfter)) return backoff(attempt)
  const delay = error.retryAfter.value
  return Duration.greaterThan(delay, longestRetryAfter) ? Effect.fail(error) : Effect.succeed(delay)
}

/** @internal */
export const make = (
  dependencies: Attempt.Dependencies,
  name: string,
  asked: Either.Either<Asked, GPTalkError>
): Exchange => {
  let attempt: Attempt.Attempt | undefined
  let pull: Pull | undefined
  let end: Attempt.Close = () => Effect.void

  const release: Attempt.Close = (exit) =>
    Effect.suspend(() => {
      const closing = attempt?.close(exit)
      attempt = undefined
      return closing ?? Effect.void
    })

  const begin = (call: Attempt.Call): Next =>
    Effect.suspend(() => {
      attempt = Attempt.make(dependencies, call)
      return attempt.pull()
    })

  const firstDeltas = (call: Attempt.Call, count: number): Next =>
    Effect.catchAll(begin(call), (error) =>
      Effect.uninterruptible(release(Exit.fail(error))).pipe(
        Effect.zipRight(retryDelay(error, count, dependencies.settings.retries)),
        Effect.zipLeft(Telemetry.countRetry(error)),
        Effect.flatMap(Effect.sleep),
        Effect.zipRight(firstDeltas(call, count + 1))
      ))

  const start = Effect.gen(function*() {
    const clock = yield* Effect.clock
    const startTime = clock.unsafeCurrentTimeNanos()
    const span = yield* Effect.uninterruptible(Effect.map(Span.open(name), (span) => {
      end = (exit) =>
        Effect.suspend(() => Telemetry.sawEnd(span, attempt?.progress(), exit)).pipe(
          Effect.zipRight(release(exit)),
          Effect.map(() => Span.end(span, clock, exit))
        )
      return span
    }))
    Telemetry.describeCall(span)
    const { question, words } = yield* asked
    Telemetry.describeRequest(span, question)
    const secrets = [question.content, question.prompt, ...words, ...dependencies.secrets]
    const runtime = yield* Effect.runtime()
    const deltas = yield* firstDeltas({ question, span, clock, runtime, secrets }, 0)
    pull = attempt?.pull
    if (deltas !== undefined) yield* Telemetry.sawFirstDelta(span, startTime, clock.unsafeCurrentTimeNanos())
    return deltas
  })

  return {
    pull: () => pull === undefined ? start : pull(),
    close: (exit) =>
      Effect.suspend(() => {
        // While nobody waits for a delta, a failure is not one of this call but of its consumer. It is reported
        // elsewhere, and may hold text of the reply.
        const isOwn = attempt === undefined || attempt.isPulled() || Telemetry.isInterruption(exit)
        return end(isOwn ? exit : Exit.void)
      })
  }
}
