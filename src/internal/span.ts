/**
 * Spans that outlive the effect that opens them.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"

/**
 * No stack trace, which would cost more than the span. Tools need the kind to draw service maps.
 *
 * @internal
 */
export const options = { captureStackTrace: false, kind: "client" } as const

/**
 * Must be uninterruptible until the span is stored where it will be ended, or an interruption would leave it open.
 *
 * @internal
 */
export const open = (name: string, parent?: Tracer.AnySpan): Effect.Effect<Tracer.Span> =>
  Effect.makeSpan(name, { ...options, parent })

/** @internal */
export const end = (span: Tracer.Span, clock: Clock.Clock, exit: Exit.Exit<unknown, unknown>): void =>
  span.end(clock.unsafeCurrentTimeNanos(), exit)
