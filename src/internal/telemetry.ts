/**
 * Telemetry of calls: span attributes by OpenTelemetry's GenAI conventions, and metrics. Never content.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Tracer from "effect/Tracer"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const replies = counter("gptalk_replies", "Calls that ended, by outcome")

const deltas = counter("gptalk_deltas", "Deltas received")

const firstDelta = Metric.histogram(
  "gptalk_first_delta_seconds",
  MetricBoundaries.fromIterable([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60]),
  "Seconds to the first delta of a call"
)

const retries = counter("gptalk_retries", "Retries, by error")

const logins = counter("gptalk_logins", "Logins, by reason")

const sessionUses = counter("gptalk_session_uses", "Session uses kept")

/** @internal */
export const countLogin = (reason: string): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(logins, "reason", reason))

/** @internal */
export const countSessionUse: Effect.Effect<void> = Metric.increment(sessionUses)

/** @internal */
export const countRetry = (error: { readonly _tag: string }): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(retries, "error", error._tag))

/** @internal */
export const annotateCall = (span: Tracer.Span): void => {
  span.attribute("gen_ai.operation.name", "chat")
  span.attribute("gen_ai.provider.name", "gptalk")
  // The former name of `gen_ai.provider.name`, which many tools still read.
  span.attribute("gen_ai.system", "gptalk")
}

/** @internal */
export const annotateRequest = (
  span: Tracer.Span,
  request: { readonly model: string; readonly temperature: number }
): void => {
  span.attribute("gen_ai.request.model", request.model)
  span.attribute("gen_ai.request.temperature", request.temperature)
}

/** @internal */
export const recordFirstDelta = (span: Tracer.Span, startTime: bigint, now: bigint): Effect.Effect<void> => {
  span.event("gen_ai.first_delta", now)
  return Metric.update(firstDelta, Number(now - startTime) / 1e9)
}

/** @internal */
export const isInterruption = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)

/** How a call without a complete reply ended. */
const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "stopped"
  if (isInterruption(exit)) return "interrupted"
  return Option.match(Cause.failureOption(exit.cause), {
    onNone: () => "defect",
    onSome: (error) => Predicate.hasProperty(error, "_tag") ? String(error._tag) : "defect"
  })
}

/** @internal */
export const recordEnd = (
  span: Tracer.Span,
  progress: { readonly isComplete: boolean; readonly deltas: number } | undefined,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> => {
  const isComplete = progress?.isComplete === true
  const outcome = isComplete ? "complete" : outcomeOf(exit)
  const annotate = Effect.sync(() => {
    if (isComplete) span.attribute("gen_ai.response.finish_reasons", ["stop"])
    // An interruption is not an error, nor does the span status report it as one.
    else if (outcome !== "stopped" && outcome !== "interrupted") span.attribute("error.type", outcome)
  })
  return Effect.zipRight(
    Metric.update(deltas, progress?.deltas ?? 0),
    Effect.zipRight(Metric.increment(Metric.tagged(replies, "outcome", outcome)), annotate)
  )
}
