/**
 * What a program tells OpenTelemetry, by way of `@effect/opentelemetry` and exporters that keep it in memory.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import type { HrTime } from "@opentelemetry/api"
import { SpanStatusCode } from "@opentelemetry/api"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  type MetricData,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor
} from "@opentelemetry/sdk-trace-base"
import type { Exit } from "effect"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { inspect } from "node:util"

export interface Told<A, E> {
  readonly exit: Exit.Exit<A, E>
  /** In the order in which they began. */
  readonly spans: ReadonlyArray<ReadableSpan>
  /** The first span of this name. */
  readonly span: (name: string) => ReadableSpan
  /** The values of a metric that the program changed, by its one label; without one, by the empty string. */
  readonly metric: (name: string) => Record<string, unknown>
  /** All of it, as text. */
  readonly printed: string
}

/** The metrics of a process outlive the program, so each run has a label of its own. */
const runLabel = "run"

const labelled = (data: ReadonlyArray<MetricData>, name: string, run: string): Record<string, unknown> =>
  Object.fromEntries(
    data.filter((metric) => metric.descriptor.name === name)
      .flatMap(({ dataPoints }) => dataPoints as ReadonlyArray<MetricData["dataPoints"][number]>)
      .filter(({ attributes }) => attributes[runLabel] === run)
      .map(({ attributes: { run: _, unit: _unit, time_unit: _timeUnit, ...labels }, value }) => [
        Object.values(labels).join(),
        value
      ])
  )

const toNanos = ([seconds, nanos]: HrTime): bigint => BigInt(seconds) * 1_000_000_000n + BigInt(nanos)

/** Runs a program to its end, and says what came of it and what it told. */
export const record = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<Told<A, E>, never, R> =>
  Effect.gen(function*() {
    const run = randomUUID()
    const spanExporter = new InMemorySpanExporter()
    const begun: Array<string> = []
    const spans: Array<ReadableSpan> = []
    const beginning: SpanProcessor = {
      onStart: (span) => void begun.push(span.spanContext().spanId),
      onEnd: () => {},
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve()
    }
    const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const metricReader = new PeriodicExportingMetricReader({
      exporter: metricExporter,
      exportIntervalMillis: 3_600_000
    })
    const Telemetry = NodeSdk.layer(() => ({
      resource: { serviceName: "test" },
      spanProcessor: [beginning, new SimpleSpanProcessor(spanExporter)],
      metricReader
    }))
    const [exit, metrics] = yield* program.pipe(
      Effect.tagMetrics(runLabel, run),
      Effect.exit,
      Effect.zip(Effect.promise(async () => {
        await metricReader.forceFlush()
        return metricExporter.getMetrics().flatMap((all) => all.scopeMetrics).flatMap((all) => all.metrics)
      })),
      // The exporters forget all when they are shut down.
      Effect.tap(() => {
        spans.push(...spanExporter.getFinishedSpans())
      }),
      Effect.provide(Telemetry)
    )
    const rank = (span: ReadableSpan) => begun.indexOf(span.spanContext().spanId)
    spans.sort((one, other) => rank(one) - rank(other))
    return {
      exit,
      spans,
      span: (name) => spans.find((span) => span.name === name)!,
      metric: (name) => labelled(metrics, name, run),
      printed: inspect([spans, metrics], { depth: 20, maxStringLength: Infinity, maxArrayLength: Infinity })
    }
  })

/** A span's status as a word. */
export const statusOf = (span: ReadableSpan): string => SpanStatusCode[span.status.code]

/** The milliseconds between the start of a span and this time of it. */
export const millisAfterStart = (span: ReadableSpan, time: HrTime): number =>
  Number((toNanos(time) - toNanos(span.startTime)) / 1_000_000n)
