/**
 * One call from end to end: session, text, stream, and all of it again until the first delta has come. What was handed
 * on is never asked for twice.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type * as Auth from "../Auth.js"
import type { GPTalkError } from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import * as Reply from "./reply.js"
import * as Secrets from "./secrets.js"
import type { Settings } from "./settings.js"
import type { Transport } from "./transport.js"

/** @internal */
export interface Dependencies {
  readonly auth: Auth.Service
  readonly transport: Transport
  readonly settings: Settings
}

/**
 * What differs from one call to the next in the body of `text`.
 *
 * @internal
 */
export type Question = Pick<Protocol.TextRequest, "content" | "model" | "temperature" | "prompt" | "ctx_msg_count">

type Close = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** @internal */
export interface Exchange {
  /** The next deltas, or `undefined` at the end. The first pull sends the requests. */
  readonly pull: Reply.Pull
  readonly close: Close
}

const longestRetryAfter = Duration.seconds(60)

/**
 * 0.5 s, doubling to 8 s, each shorter by up to a fifth so that those who failed together do not return together. In
 * whole milliseconds, as the clocks count them: a `TestClock` that stands between two cannot tell its nanoseconds.
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

const nothing: Close = () => Effect.void

/** A span that outlives the effect that opens it. */
const openSpan = (name: string): Effect.Effect<{ readonly span: Tracer.Span; readonly end: Close }> =>
  Effect.map(Effect.makeSpan(name, { captureStackTrace: false }), (span) => ({
    span,
    end: (exit) => Effect.map(Clock.currentTimeNanos, (now) => span.end(now, exit))
  }))

const ask = (
  { auth, transport }: Dependencies,
  question: Question,
  secrets: Array<string>
): Effect.Effect<Redacted.Redacted<string>, GPTalkError> =>
  auth.withToken((token) =>
    Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => {
        secrets.push(Redacted.value(token), Secrets.fingerprintOf(token) ?? "")
        return transport.json({
          step: "text",
          bearer: token,
          answer: Protocol.TextAnswer,
          secrets,
          body: {
            ...question,
            accept: "stream",
            from: 1,
            is_mobile: 0,
            user_agent: transport.userAgent,
            is_open_ctx: 0,
            roid: 111,
            created_at: Math.floor(now / 1000)
          } satisfies Protocol.TextRequest
        })
      }),
      Effect.map(({ data }) => Redacted.make(data.token)),
      Effect.withSpan("GPTalk.text", { captureStackTrace: false })
    )
  )

/** @internal */
export const make = (
  dependencies: Dependencies,
  name: string,
  question: Either.Either<Question, GPTalkError>
): Exchange => {
  const { settings, transport } = dependencies
  /** All that this call has sent, over all its attempts. */
  const secrets: Array<string> = []
  let pull: Reply.Pull | undefined
  let closeReply: Close = nothing
  let endSpan: Close = nothing

  const release: Close = (exit) =>
    Effect.suspend(() => {
      const close = closeReply
      closeReply = nothing
      return close(exit)
    })

  const open = (token: Redacted.Redacted<string>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const { end, span } = yield* openSpan("GPTalk.stream")
        const scope = yield* Scope.make()
        closeReply = (exit) => Effect.zipRight(Scope.close(scope, exit), end(exit))
        return yield* transport.open({ token, secrets }).pipe(
          Effect.flatMap((response) => Reply.make({ response, settings, secrets })),
          Effect.withParentSpan(span),
          Scope.extend(scope),
          restore
        )
      })
    )

  const attempt = (question: Question): Reply.Pull =>
    ask(dependencies, question, secrets).pipe(
      Effect.flatMap((token) => {
        secrets.push(Redacted.value(token))
        return open(token)
      }),
      Effect.flatMap((reply) =>
        Effect.tap(reply, () => {
          pull = reply
        })
      )
    )

  const first = (question: Question, count: number): Reply.Pull =>
    Effect.catchAll(attempt(question), (error) =>
      Effect.flatMap(
        Effect.zipRight(release(Exit.fail(error)), retryDelay(error, count, settings.retries)),
        Option.match({
          onNone: () => Effect.fail(error),
          onSome: (delay) => Effect.zipRight(Effect.sleep(delay), first(question, count + 1))
        })
      ))

  const begin: Reply.Pull = Effect.flatMap(openSpan(name), ({ end, span }) => {
    endSpan = end
    return Effect.flatMap(question, (question) => {
      secrets.push(question.content, question.prompt)
      return first(question, 0)
    }).pipe(Effect.withParentSpan(span), Effect.locally(Secrets.ofCall, secrets))
  })

  return {
    pull: Effect.suspend(() => pull ?? begin),
    close: (exit) => Effect.zipRight(release(exit), Effect.suspend(() => endSpan(exit)))
  }
}
