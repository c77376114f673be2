/**
 * One try of a call: ask with a session, open the stream, and its bytes as batches of deltas.
 *
 * A fiber of its own sends the requests, and what comes of them goes through `Body`, where the consumer waits for it. So
 * whatever ends the attempt, a failed request, a timeout or the end of the reply, does so in one place.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Auth from "../Auth.js"
import * as GPTalkError from "../GPTalkError.js"
import { Body } from "./body.js"
import * as Fault from "./fault.js"
import { FrameDecoder } from "./frameDecoder.js"
import { Patience, type Watchdog } from "./patience.js"
import * as Secrets from "./secrets.js"
import type { Settings } from "./settings.js"
import * as Span from "./span.js"
import type { Question, Transport } from "./transport.js"

/** @internal */
export interface Dependencies {
  readonly auth: Auth.Service
  readonly transport: Transport
  readonly settings: Settings
  readonly watchdog: (clock: Clock.Clock) => Watchdog
}

/** @internal */
export interface Call {
  readonly question: Question
  readonly span: Tracer.Span
  readonly clock: Clock.Clock
  /** Of the fiber that asks. */
  readonly runtime: Runtime.Runtime<never>
  /** All that the call has sent so far, over all its attempts. */
  readonly secrets: Array<string>
}

/**
 * The next deltas, or `undefined` at the end of the reply.
 *
 * @internal
 */
export type Pull = Effect.Effect<ReadonlyArray<string> | undefined, GPTalkError.GPTalkError>

/** @internal */
export type Close = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** @internal */
export interface Attempt {
  readonly pull: Pull
  readonly close: Close
  /** Whether the consumer has come to `[DONE]`, and how many deltas have arrived. */
  readonly progress: () => { readonly isComplete: boolean; readonly deltas: number }
}

/**
 * Sends the requests at once.
 *
 * @internal
 */
export const make = (
  { auth, settings, transport, watchdog }: Dependencies,
  { clock, question, runtime, secrets, span }: Call,
  /** Aborts the requests when it is closed. */
  scope: Scope.CloseableScope
): Attempt => {
  const body = new Body((error) => Fault.toConnectionError(error, { step: "stream", secrets }))
  const dog = watchdog(clock)
  const patience = new Patience(dog, (error) => body.end(Exit.fail(error)))
  const decoder = new FrameDecoder(settings.maxFrameSize)
  let streamSpan: Tracer.Span | undefined
  let status = 0
  let deltaCount = 0
  let isComplete = false

  const begin = (step: "text" | "stream"): Effect.Effect<Tracer.Span> =>
    Effect.flatMap(Span.open(`GPTalk.${step}`, span), (span) => {
      patience.begin(step, "response")
      return Effect.as(Span.enter(span), span)
    })

  const ask = (session: Redacted.Redacted<string>) =>
    Effect.flatMap(begin("text"), (span) => {
      secrets.push(Redacted.value(session), Secrets.fingerprintOf(session) ?? "")
      return Effect.onExit(transport.text(session, question, secrets), (exit) =>
        Effect.sync(() => {
          patience.end()
          Span.end(span, clock, exit)
        }))
    })

  const open = (token: Redacted.Redacted<string>) =>
    Effect.flatMap(begin("stream"), (span) => {
      streamSpan = span
      secrets.push(Redacted.value(token))
      return Effect.map(transport.stream(token, body, secrets), (opened) => {
        status = opened
        patience.begin("stream", "firstDelta")
      })
    })

  const requests = Effect.suspend(() => auth.withToken(ask)).pipe(
    Effect.flatMap(open),
    // It never fails itself: a forked fiber that does logs its cause.
    Effect.catchAllCause((cause) => Effect.sync(() => body.end(Exit.failCause(cause)))),
    Effect.interruptible
  )

  const fail = (error: GPTalkError.GPTalkError): Pull => Effect.fail(error)

  const incomplete = () =>
    fail(
      new GPTalkError.IncompleteReplyError({
        step: "stream",
        text: decoder.text.replace(/\p{Surrogate}/gu, "\ufffd")
      })
    )

  const finish = (): Pull => {
    switch (decoder.outcome?._tag) {
      case "Done":
        isComplete = true
        return Effect.succeed(undefined)
      case "ServiceFault":
        return fail(Fault.toServiceError(decoder.outcome.fault, { step: "stream", status, secrets }))
      case "Malformed":
        return fail(new GPTalkError.ProtocolError({ step: "stream", issue: decoder.outcome.issue }))
      case undefined:
        return incomplete()
    }
  }

  const receive = (chunks: ReadonlyArray<Uint8Array>): Pull => {
    patience.handOver()
    const before = decoder.goodFrames
    const deltas: Array<string> = []
    for (const bytes of chunks) decoder.push(bytes, deltas)
    deltaCount += deltas.length
    // Until the first delta has come, the wait for it runs on, whatever else comes.
    if (deltaCount > 0 && decoder.goodFrames > before) patience.begin("stream", "idle")
    const next = deltas.length > 0 ? Effect.succeed(deltas) : pull
    if (decoder.passedOver.length === 0) return next
    return Effect.zipRight(
      Effect.forEach(
        decoder.passedOver.splice(0),
        (issue) => Effect.logDebug(`unreadable frame passed over: ${issue}`)
      ),
      next
    )
  }

  const ended = (broken?: GPTalkError.GPTalkError): Pull => {
    const deltas = decoder.end()
    if (deltas.length > 0) return Effect.succeed(deltas)
    if (decoder.outcome !== undefined || broken === undefined) return finish()
    return broken._tag === "ConnectionError" && deltaCount > 0 ? incomplete() : fail(broken)
  }

  const pull: Pull = Effect.suspend(() => {
    if (decoder.outcome !== undefined) return finish()
    patience.pull()
    return Effect.matchEffect(body.take, {
      onSuccess: (chunks) => chunks === undefined ? ended() : receive(chunks),
      onFailure: ended
    })
  })

  const sender = requests.pipe(Runtime.runFork(runtime.pipe(
    Runtime.provideService(Tracer.ParentSpan, span),
    Runtime.provideService(Scope.Scope, scope),
    Runtime.setFiberRef(Secrets.ofCall, secrets)
  )))
  dog.watch(patience)

  return {
    pull,
    progress: () => ({ isComplete, deltas: deltaCount }),
    close: (exit) =>
      Effect.suspend(() => {
        dog.forget(patience)
        if (streamSpan !== undefined) Span.end(streamSpan, clock, exit)
        if (decoder.outcome?._tag === "Done") {
          // The end of the body is near; to wait for it costs less than to open another connection.
          body.linger()
          return Effect.void
        }
        return Effect.zipRight(Fiber.interrupt(sender), Scope.close(scope, exit))
      })
  }
}
