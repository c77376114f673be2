/**
 * Keeps all that a program lets out beside its result: log lines of every level, spans with all that hangs on them,
 * and failures in every form that they are printed in.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

export interface Recorder {
  readonly layer: Layer.Layer<never>
  /** Adds a failure in all its printed forms. */
  readonly failure: (cause: Cause.Cause<unknown>) => void
  /** Adds what the metrics of the process hold by now. */
  readonly metrics: Effect.Effect<void>
  /** All lines, each with what it came from. */
  readonly lines: ReadonlyArray<string>
  readonly spans: ReadonlyArray<string>
}

const printed = (value: unknown): ReadonlyArray<string> => [
  String(value),
  JSON.stringify(value) ?? "",
  inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity }),
  inspect(value, { depth: 20, showHidden: true, getters: true })
]

export const make = (): Recorder => {
  const lines: Array<string> = []
  const spans: Array<string> = []
  const record = (source: string, texts: ReadonlyArray<string>) => {
    for (const text of texts) lines.push(`${source}: ${text}`)
  }

  const failure = (cause: Cause.Cause<unknown>) => {
    record("cause", [Cause.pretty(cause), Cause.pretty(cause, { renderErrorCause: true }), ...printed(cause)])
    record("fiber failure", printed(Runtime.makeFiberFailure(cause)))
    for (const error of [...Cause.failures(cause), ...Cause.defects(cause)]) {
      record("error", printed(error))
      if (error instanceof Error) record("error", [error.message, error.stack ?? "", ...printed(error.cause)])
    }
  }

  const logger = Logger.make<unknown, void>((options) => {
    record(`log ${options.logLevel.label}`, [
      Logger.logfmtLogger.log(options),
      Logger.stringLogger.log(options),
      Logger.jsonLogger.log(options),
      ...printed(options.message)
    ])
    if (!Cause.isEmpty(options.cause)) failure(options.cause)
  })

  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      let status: Tracer.SpanStatus = { _tag: "Started", startTime }
      const span: Tracer.Span = {
        _tag: "Span",
        name,
        kind,
        parent,
        context,
        links,
        attributes,
        get status() {
          return status
        },
        spanId: String(spans.push(name)),
        traceId: Option.match(parent, { onNone: () => String(spans.length), onSome: (parent) => parent.traceId }),
        sampled: true,
        attribute: (key, value) => void attributes.set(key, value),
        event: (event, _, attributes) => record(`event of ${name}`, [event, ...printed(attributes ?? {})]),
        addLinks: (links) => record(`links of ${name}`, printed(links)),
        end: (endTime, exit) => {
          status = { _tag: "Ended", startTime, endTime, exit }
          record(`span ${name}`, printed([...attributes]))
          if (Exit.isFailure(exit)) failure(exit.cause)
          else record(`value of span ${name}`, printed(exit.value))
        }
      }
      return span
    }
  })

  return {
    lines,
    spans,
    failure,
    metrics: Effect.map(Metric.snapshot, (pairs) => record("metrics", printed(pairs))),
    layer: Layer.mergeAll(
      Logger.replace(Logger.defaultLogger, logger),
      Logger.minimumLogLevel(LogLevel.All),
      Layer.setTracer(tracer)
    )
  }
}
