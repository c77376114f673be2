/**
 * Spans that outlive the effect that opens them.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"

/**
 * Without a stack trace, which costs more than the span. Its kind is what tools look for to draw who calls whom.
 *
 * @internal
 */
export const options = { captureStackTrace: false, kind: "client" } as const

/**
 * To be run where it cannot be interrupted before somebody has taken it who will end it.
 *
 * @internal
 */
export const open = (name: string, parent?: Tracer.AnySpan): Effect.Effect<Tracer.Span> =>
  Effect.makeSpan(name, parent === undefined ? options : { ...options, parent })

/** @internal */
export const end = (span: Tracer.Span, clock: Clock.Clock, exit: Exit.Exit<unknown, unknown>): void =>
  span.end(clock.unsafeCurrentTimeNanos(), exit)
