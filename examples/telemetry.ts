/**
 * What a call tells OpenTelemetry: its spans and its metrics, on the console. Put an exporter that sends them to your
 * collector in the place of these. `GPTALK_URL` names the service; without it an embedded server echoes.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { ConsoleMetricExporter, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { ConsoleSpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as EmbeddedServer from "./embedded-server.js"

const TelemetryLive = NodeSdk.layer(() => ({
  resource: { serviceName: "gptalk-example" },
  spanProcessor: new SimpleSpanProcessor(new ConsoleSpanExporter()),
  metricReader: new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })
}))

const program = GPTalk.streamText({ prompt: "Hello, world" }).pipe(
  Stream.runDrain,
  Effect.withSpan("my-request")
)

const GPTalkLive = EmbeddedServer.layer.pipe(Layer.provide(NodeHttpClient.layerUndici))

// Spans belong to the program that asks: given to it alone, what the embedded server does is not told.
program.pipe(Effect.provide(TelemetryLive), Effect.provide(GPTalkLive), NodeRuntime.runMain)
