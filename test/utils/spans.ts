/**
 * The spans of Effect's own tracer, kept in the order in which they begin.
 */
import { Effect, Layer, Tracer } from "effect"

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
