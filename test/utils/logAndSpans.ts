/**
 * What a server leaves behind in the log and in spans.
 */
import { Cause, Effect, HashMap, Layer, Logger, LogLevel } from "effect"
import * as Spans from "./spans.js"

/** Everything that is logged at any level, and every span, as text. */
export const makeRecords = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ annotations, cause, message, spans }) => {
    const notes = HashMap.toEntries(annotations).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    lines.push([String(message), Cause.pretty(cause), ...notes, ...[...spans].map(({ label }) => label)].join(" "))
  })
  const { layer: tracer, spans } = Effect.runSync(Spans.record)
  const layer = Layer.mergeAll(
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(LogLevel.All),
    tracer
  )
  const text = () =>
    [...lines, ...spans.map(({ attributes, name }) => JSON.stringify([name, [...attributes]]))].join("\n")
  return { layer, text, lines, spans }
}
