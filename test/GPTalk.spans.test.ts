import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Tracer } from "effect"
import { Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { changed } from "./utils/clients.js"
import * as MockClient from "./utils/mockClient.js"
import * as Spans from "./utils/spans.js"

const { exitOf, spansOf } = Spans

const generate = GPTalk.generateText({ prompt: "Hi" })
const stream = GPTalk.streamText({ prompt: "Hi" })

/** Each span with its parent. */
const tree = (spans: ReadonlyArray<Tracer.Span>): ReadonlyArray<readonly [string, string | undefined]> =>
  spans.map(({ name, parent }) => [
    name,
    parent.pipe(Option.filter((_) => _._tag === "Span"), Option.map((_) => _.name), Option.getOrUndefined)
  ])

const traceHeaders = ({ headers }: MockClient.Received) =>
  Object.keys(headers).filter((name) => name === "b3" || name.startsWith("trace") || name.startsWith("x-b3"))

describe("GPTalk spans", () => {
  it.effect("streamText is one, with a child for each request", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(tree(yield* spansOf(Stream.runDrain(stream), MockClient.make())), [
        ["GPTalk.streamText", undefined],
        ["GPTalk.login", "GPTalk.streamText"],
        ["GPTalk.text", "GPTalk.streamText"],
        ["GPTalk.stream", "GPTalk.streamText"]
      ])
    }))

  it.effect("generateText is one, with a child for each request", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(tree(yield* spansOf(generate, MockClient.make())), [
        ["GPTalk.generateText", undefined],
        ["GPTalk.login", "GPTalk.generateText"],
        ["GPTalk.text", "GPTalk.generateText"],
        ["GPTalk.stream", "GPTalk.generateText"]
      ])
    }))

  it.effect("a call is one where an option of the layer is not valid", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(generate, MockClient.make(), { retries: -1 })
      assert.deepStrictEqual(spans.map(({ attributes, name }) => [name, attributes.get("error.type")]), [
        ["GPTalk.generateText", "InvalidRequestError"]
      ])
    }))

  it.effect("there is no login where none is made", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Effect.zipRight(generate, generate), MockClient.make())
      assert.strictEqual(spans.filter((span) => span.name === "GPTalk.login").length, 1)
    }))

  it.effect("a call is a child of the span that it is made in", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        Effect.zipRight(generate, Stream.runDrain(stream)).pipe(Effect.withSpan("caller")),
        MockClient.make()
      )
      assert.deepStrictEqual(
        tree(spans).filter(([_, parent]) => parent === "caller").map(([name]) => name),
        ["GPTalk.generateText", "GPTalk.streamText"]
      )
    }))

  it.effect("what is tried again has a child for each attempt", () =>
    Effect.gen(function*() {
      const client = MockClient.make({
        text: (received, index) =>
          index === 0
            ? new Response(null, { status: 503, headers: { "retry-after": "0" } })
            : MockClient.defaults.text(received, index)
      })
      const spans = yield* spansOf(generate, client)
      assert.deepStrictEqual(spans.map((span) => span.name), [
        "GPTalk.generateText",
        "GPTalk.login",
        "GPTalk.text",
        "GPTalk.text",
        "GPTalk.stream"
      ])
    }))

  it.effect("the login after a refusal is a child of the call like the first", () =>
    Effect.gen(function*() {
      const client = MockClient.make({
        text: (received, index) =>
          index === 0 ? new Response(null, { status: 401 }) : MockClient.defaults.text(received, index)
      })
      assert.deepStrictEqual(tree(yield* spansOf(generate, client)), [
        ["GPTalk.generateText", undefined],
        ["GPTalk.login", "GPTalk.generateText"],
        ["GPTalk.text", "GPTalk.generateText"],
        ["GPTalk.login", "GPTalk.generateText"],
        ["GPTalk.text", "GPTalk.generateText"],
        ["GPTalk.stream", "GPTalk.generateText"]
      ])
    }))

  it.effect("what middleware does is a child of its request", () =>
    Effect.gen(function*() {
      const { layer, spans } = yield* Spans.record
      const seen: Array<string | undefined> = []
      const watched = changed(
        MockClient.make().layer,
        HttpClient.tapRequest(() =>
          Effect.map(Effect.option(Effect.currentParentSpan), (parent) =>
            seen.push(parent.pipe(
              Option.filter((_) => _._tag === "Span"),
              Option.map((_) => _.name),
              Option.getOrUndefined
            )))
        )
      )
      yield* generate.pipe(Effect.provide(Layer.provide(GPTalk.layer(), watched)), Effect.provide(layer))
      assert.deepStrictEqual(seen, ["GPTalk.login", "GPTalk.text", "GPTalk.stream"])
      assert.strictEqual(spans.length, 4)
    }))

  it.effect("a request that is not valid has a span without children", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(GPTalk.generateText({ messages: [] }), MockClient.make())
      assert.deepStrictEqual(tree(spans), [["GPTalk.generateText", undefined]])
      assert.isTrue(Exit.isFailure(exitOf(spans, "GPTalk.generateText")!))
    }))

  it.effect("last as long as what they stand for", () =>
    Effect.gen(function*() {
      const source = new MockClient.Source()
      const client = MockClient.make({
        text: (received, index) =>
          Effect.delay(Effect.sync(() => MockClient.defaults.text(received, index)), "2 seconds"),
        stream: () => source.response
      })
      const call = Effect.gen(function*() {
        const fiber = yield* Effect.fork(generate)
        yield* TestClock.adjust("5 seconds")
        source.emit(MockClient.done)
        yield* Fiber.join(fiber)
      })
      const durations = (yield* spansOf(call, client)).map(({ name, status }) => [
        name,
        status._tag === "Ended" ? Number((status.endTime - status.startTime) / 1_000_000n) : undefined
      ])
      assert.deepStrictEqual(durations, [
        ["GPTalk.generateText", 5000],
        ["GPTalk.login", 0],
        ["GPTalk.text", 2000],
        ["GPTalk.stream", 3000]
      ])
    }))

  it.effect("no trace headers are sent by default", () =>
    Effect.gen(function*() {
      const client = MockClient.make()
      yield* spansOf(Effect.withSpan(generate, "caller"), client)
      assert.deepStrictEqual(client.requests.map(traceHeaders), [[], [], []])
    }))

  it.effect("with propagateTrace each request carries the span that it belongs to", () =>
    Effect.gen(function*() {
      const client = MockClient.make()
      const spans = yield* spansOf(generate, client, { propagateTrace: true })
      assert.deepStrictEqual(
        client.requests.map(({ headers }) => headers["traceparent"]),
        spans.slice(1).map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
      )
    }))

  it.effect("with propagateTrace, but the tracer off, no request carries one", () =>
    Effect.gen(function*() {
      const client = MockClient.make()
      yield* spansOf(Effect.withTracerEnabled(generate, false), client, { propagateTrace: true })
      assert.deepStrictEqual(client.requests.map(traceHeaders), [[], [], []])
    }))
})
