/**
 * One call from end to end: an attempt, and another one until the first delta has come. What was handed on is never
 * asked for twice.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { GPTalkError } from "../GPTalkError.js"
import * as Attempt from "./attempt.js"
import * as Secrets from "./secrets.js"
import * as Span from "./span.js"

/** @internal */
export interface Exchange {
  /** The next deltas, or `undefined` at the end. The first pull sends the requests. */
  readonly pull: Attempt.Pull
  readonly close: Span.Close
}

const longestRetryAfter = Duration.seconds(60)

/**
 * 0.5 s, doubling to 8 s, each shorter by up to a fifth so that those who failed together do not return together.
 */
const backoff = (attempt: number): Effect.Effect<Duration.Duration> =>
  Effect.map(
    Random.nextRange(0.8, 1),
    (jitter) => Duration.millis(Math.round(Math.min(500 * 2 ** attempt, 8000) * jitter))
  )

/** How long to wait before the next attempt; none when there must not be one. */
const retryDelay = (
  error: GPTalkError,
  attempt: number,
  retries: number
): Effect.Effect<Option.Option<Duration.Duration>> => {
  if (!error.isRetryable || attempt >= retries) return Effect.succeedNone
  return "retryAfter" in error && Option.isSome(error.retryAfter)
    ? Effect.succeed(Option.filter(error.retryAfter, Duration.lessThanOrEqualTo(longestRetryAfter)))
    : Effect.asSome(backoff(attempt))
}

/** @internal */
export const make = (
  dependencies: Attempt.Dependencies,
  name: string,
  question: Either.Either<Attempt.Question, GPTalkError>
): Exchange => {
  /** All that this call has sent, over all its attempts. */
  const secrets: Array<string> = []
  let pull: Attempt.Pull | undefined
  let closeAttempt = Span.nothing
  let endSpan = Span.nothing

  const release: Span.Close = (exit) =>
    Effect.suspend(() => {
      const close = closeAttempt
      closeAttempt = Span.nothing
      return close(exit)
    })

  const begin = (question: Attempt.Question): Attempt.Pull =>
    Attempt.make(dependencies, question, secrets).pipe(
      Effect.tap((attempt) => {
        closeAttempt = attempt.close
      }),
      Effect.uninterruptible,
      Effect.flatMap((attempt) =>
        Effect.tap(attempt.pull, () => {
          pull = attempt.pull
        })
      )
    )

  const first = (question: Attempt.Question, count: number): Attempt.Pull =>
    Effect.catchAll(begin(question), (error) =>
      Effect.flatMap(
        Effect.zipRight(release(Exit.fail(error)), retryDelay(error, count, dependencies.settings.retries)),
        Option.match({
          onNone: () => Effect.fail(error),
          onSome: (delay) => Effect.zipRight(Effect.sleep(delay), first(question, count + 1))
        })
      ))

  const start: Attempt.Pull = Effect.flatMap(Span.open(name), ({ end, span }) => {
    endSpan = end
    return Effect.flatMap(question, (question) => {
      secrets.push(question.content, question.prompt)
      return first(question, 0)
    }).pipe(Effect.withParentSpan(span), Effect.locally(Secrets.ofCall, secrets))
  })

  return {
    pull: Effect.suspend(() => pull ?? start),
    close: (exit) => Effect.zipRight(release(exit), Effect.suspend(() => endSpan(exit)))
  }
}
