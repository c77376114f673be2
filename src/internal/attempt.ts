/**
 * One attempt of a call: ask with a session, open the stream, read the reply.
 *
 * A separate fiber sends the requests. Their outcome goes to the `Body`, where the consumer waits. So a failed request,
 * a timeout and the end of the reply all end the attempt in one place.
 */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Auth from "../Auth.js"
import type { GPTalkError } from "../GPTalkError.js"
import { Body } from "./body.js"
import { Deadline, type Watchdog } from "./deadline.js"
import * as Fault from "./fault.js"
import * as Reply from "./reply.js"
import * as Secrets from "./secrets.js"
import type { Settings } from "./settings.js"
import * as Span from "./span.js"
import type { Options, Question, Transport } from "./transport.js"

/** @internal */
export interface Dependencies {
  readonly auth: Auth.Service
  readonly transport: Transport
  readonly settings: Settings
  /** The secrets of the settings, which are sent with each request. */
  readonly secrets: ReadonlyArray<string>
  readonly watchdogOf: (clock: Clock.Clock) => Watchdog
}

/** @internal */
export interface Call {
  readonly question: Question
  readonly span: Tracer.Span
  readonly clock: Clock.Clock
  /** The runtime of the fiber that makes the call. */
  readonly runtime: Runtime.Runtime<never>
  /** All that the call has sent so far, in all its attempts. */
  readonly secrets: Secrets.Secrets
}

/** @internal */
export type Close = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** @internal */
export interface Attempt extends Reply.Reply {
  readonly close: Close
}

/** A client that ignores both interruption and the abort of its request is waited for no longer than this. */
const awaitAtMost = (fiber: Fiber.Fiber<unknown>, duration: Duration.Duration): Effect.Effect<unknown> =>
  Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), duration)

/**
 * Begins an attempt: the requests are sent after the delay, whether or not there is a pull.
 *
 * @internal
 */
export const make = (
  { auth, settings, transport, watchdogOf }: Dependencies,
  { clock, question, runtime, secrets, span: callSpan }: Call,
  delay: Effect.Effect<void>
): Attempt => {
  const deadline = new Deadline(watchdogOf(clock), (error) => body.end(Exit.fail(error)))
  const body = new Body((error) => Fault.toConnectionError(error, { step: "stream", secrets }), deadline)
  const reply = Reply.make({ body, deadline, secrets, maxFrameSize: settings.maxFrameSize })
  /** Ended by `close`, with the exit of the call. */
  let streamSpan: Tracer.Span | undefined
  /** The scope of the last request: an `Auth` may make several at a time. */
  let scope: Scope.CloseableScope | undefined

  /**
   * Sends one request with a span and a scope of its own. If it succeeds, the scope stays open: aborting an answered
   * request would cost as much as parsing its answer.
   */
  const request = <A>(
    step: "text" | "stream",
    send: (options: Options) => Effect.Effect<A, GPTalkError>
  ): Effect.Effect<A, GPTalkError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.make(), (made) => {
        scope = made
        return Effect.flatMap(Span.open(`GPTalk.${step}`, callSpan), (span) => {
          if (step === "stream") streamSpan = span
          deadline.begin(step, "response")
          return Effect.flatMap(Effect.exit(restore(send({ scope: made, secrets, span }))), (exit) => {
            if (step === "text") Span.end(span, clock, exit)
            if (scope === made && (step === "text" || Exit.isFailure(exit))) deadline.end()
            return Exit.isSuccess(exit) ? exit : Effect.zipRight(Scope.close(made, exit), exit)
          })
        })
      })
    )

  const ask = (session: Redacted.Redacted<string>) => {
    secrets.add(Redacted.value(session))
    return request("text", (options) => transport.text(session, question, options))
  }

  const open = (token: Redacted.Redacted<string>) => {
    secrets.add(Redacted.value(token))
    return request("stream", (options) => transport.stream(token, body, options))
  }

  const requests = Effect.flatMap(delay, () => auth.withToken(ask)).pipe(
    Effect.flatMap(open),
    // Never fails: a forked fiber that fails logs its cause.
    Effect.catchAllCause((cause) => Effect.sync(() => body.end(Exit.failCause(cause)))),
    Effect.interruptible
  )

  let sender: Fiber.RuntimeFiber<void> | undefined = requests.pipe(Runtime.runFork(runtime.pipe(
    Runtime.provideService(Tracer.ParentSpan, callSpan),
    Runtime.setFiberRef(Secrets.ofCall, secrets)
  )))
  // A fiber that has ended still holds all that it captured, and a reply can be open for a long time.
  sender.addObserver(() => {
    sender = undefined
  })

  return {
    ...reply,
    close: (exit) =>
      Effect.suspend(() => {
        deadline.close()
        const endStream = Effect.sync(() => {
          if (streamSpan !== undefined) Span.end(streamSpan, clock, exit)
        })
        if (reply.progress().isComplete) {
          // The end of the body is near: waiting for it costs less than opening another connection.
          body.linger()
          return endStream
        }
        // The connection is closed at once, however long the client takes to react to the interruption.
        const running = sender
        running?.unsafeInterruptAsFork(FiberId.none)
        // A finalizer of the client may die.
        return (scope === undefined ? Effect.void : Scope.close(scope, exit)).pipe(
          Effect.ensuring(running === undefined ? Effect.void : awaitAtMost(running, settings.timeouts.response)),
          Effect.ensuring(endStream)
        )
      })
  }
}
