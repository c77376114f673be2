/**
 * The spans of Effect's own tracer, kept in the order in which they begin.
 */
import { Cause, Effect, Exit, Layer, Predicate, Tracer } from "effect"
import type * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./mockClient.js"

export const record = Effect.map(Effect.tracer, (tracer) => {
  const spans: Array<Tracer.Span> = []
  const recording = Tracer.make({
    context: (f, fiber) => tracer.context(f, fiber),
    span: (...options) => {
      const span = tracer.span(...options)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.setTracer(recording) }
})

/** The names of the spans that have not ended. */
export const open = (spans: ReadonlyArray<Tracer.Span>): ReadonlyArray<string> =>
  spans.filter(({ status }) => status._tag !== "Ended").map(({ name }) => name)

/** An assertion that fails within an effect must fail its test. */
const failedAssertions = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isFailure(exit)
    ? Effect.forEach(
      Cause.defects(exit.cause),
      (defect) => Predicate.isError(defect) && defect.name === "AssertionError" ? Effect.die(defect) : Effect.void,
      { discard: true }
    )
    : Effect.void

/** The spans of an effect over this client, however it ends. */
export const spansOf = <A, E>(
  effect: Effect.Effect<A, E, GPTalk.GPTalk>,
  client: MockClient.MockClient,
  options?: GPTalk.Options
) =>
  Effect.gen(function*() {
    const { layer, spans } = yield* record
    const exit = yield* Effect.exit(effect).pipe(MockClient.provide(client, options), Effect.provide(layer))
    yield* failedAssertions(exit)
    return spans
  })

/** How the first span of this name ended, if it has. */
export const exitOf = (spans: ReadonlyArray<Tracer.Span>, name: string): Exit.Exit<unknown, unknown> | undefined => {
  const status = spans.find((span) => span.name === name)?.status
  return status?._tag === "Ended" ? status.exit : undefined
}
