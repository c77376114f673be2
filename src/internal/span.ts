/**
 * Spans that outlive the effect that opens them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"

/** @internal */
export type Close = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** @internal */
export const nothing: Close = () => Effect.void

/**
 * Without a stack trace, which costs more than the span. Its kind is what tools look for to draw who calls whom.
 *
 * @internal
 */
export const options = { captureStackTrace: false, kind: "client" } as const

/** @internal */
export const open = (
  name: string
): Effect.Effect<{ readonly span: Tracer.Span; readonly startTime: bigint; readonly end: Close }> =>
  Effect.zipWith(Effect.makeSpan(name, options), Clock.currentTimeNanos, (span, startTime) => ({
    span,
    // Not the span's, which has none where tracing is off.
    startTime,
    end: (exit) => Effect.map(Clock.currentTimeNanos, (now) => span.end(now, exit))
  }))
