import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Tracer } from "effect"
import {
  Context,
  Effect,
  Exit,
  Fiber,
  identity,
  Layer,
  Logger,
  LogLevel,
  Option,
  Sink,
  Stream,
  TestClock
} from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { around } from "./utils/auths.js"
import * as MockClient from "./utils/mockClient.js"
import * as Spans from "./utils/spans.js"

const { provide } = MockClient

const generate = GPTalk.generateText({ prompt: "Hi" })
const stream = GPTalk.streamText({ prompt: "Hi" })

/** Each span with its parent. */
const tree = (spans: ReadonlyArray<Tracer.Span>): ReadonlyArray<readonly [string, string | undefined]> =>
  spans.map(({ name, parent }) => [
    name,
    parent.pipe(Option.filter((_) => _._tag === "Span"), Option.map((_) => _.name), Option.getOrUndefined)
  ])

const exitOf = (spans: ReadonlyArray<Tracer.Span>, name: string): Exit.Exit<unknown, unknown> | undefined => {
  const status = spans.find((span) => span.name === name)?.status
  return status?._tag === "Ended" ? status.exit : undefined
}

/** The spans of an effect. */
const spansOf = <A, E>(
  effect: Effect.Effect<A, E, GPTalk.GPTalk>,
  client: MockClient.MockClient,
  options?: GPTalk.Options
) =>
  Effect.gen(function*() {
    const { layer, spans } = yield* Spans.record
    yield* Effect.exit(effect).pipe(provide(client, options), Effect.provide(layer))
    return spans
  })

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
      const watched = Layer.map(MockClient.make().layer, (context) =>
        Context.add(
          context,
          HttpClient.HttpClient,
          HttpClient.tapRequest(Context.get(context, HttpClient.HttpClient), () =>
            Effect.map(Effect.option(Effect.currentParentSpan), (parent) =>
              seen.push(parent.pipe(
                Option.filter((_) => _._tag === "Span"),
                Option.map((_) =>
                  _.name
                ),
                Option.getOrUndefined
              ))))
        ))
      yield* generate.pipe(Effect.provide(Layer.provide(GPTalk.layer(), watched)), Effect.provide(layer))
      assert.deepStrictEqual(seen, ["GPTalk.login", "GPTalk.text", "GPTalk.stream"])
      assert.strictEqual(spans.length, 4)
    }))

  it.effect("all of them end, and end well, with the reply", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Effect.zipRight(Stream.runDrain(stream), generate), MockClient.make())
      assert.isTrue(spans.every((span) => span.status._tag === "Ended" && Exit.isSuccess(span.status.exit)))
    }))

  it.effect("all of them end with a stream that is not read to its end", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Stream.runDrain(Stream.take(stream, 1)), MockClient.make())
      assert.isTrue(spans.length === 4 && spans.every((span) => span.status._tag === "Ended"))
    }))

  it.effect("a call that fails ends its span with the failure", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        Stream.runDrain(stream),
        MockClient.make({ stream: () => new Response(null, { status: 400 }) })
      )
      for (const name of ["GPTalk.streamText", "GPTalk.stream"]) {
        assert.isTrue(Exit.isFailure(exitOf(spans, name)!), name)
      }
    }))

  it.effect("a call that is interrupted ends its span so", () =>
    Effect.gen(function*() {
      const interrupted = Effect.gen(function*() {
        const fiber = yield* Effect.fork(generate)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const spans = yield* spansOf(interrupted, MockClient.make({ stream: () => new MockClient.Source().response }))
      for (const name of ["GPTalk.generateText", "GPTalk.stream"]) {
        assert.isTrue(Exit.isInterrupted(exitOf(spans, name)!), name)
      }
    }))

  it.effect("a request that a consumer does not wait for is interrupted, whatever became of the consumer", () =>
    Effect.gen(function*() {
      const late = Effect.delay(Effect.fail("the consumer's"), "1 second")
      const stopped = Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runDrain(Stream.merge(stream, Stream.fromEffect(late))))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(fiber).pipe(Effect.flip), "the consumer's")
      })
      const spans = yield* spansOf(stopped, MockClient.make({ text: () => Effect.never }))
      assert.isTrue(Exit.isInterrupted(exitOf(spans, "GPTalk.text")!))
    }))

  it.effect("a call that is interrupted while its consumer works ends its span so", () =>
    Effect.gen(function*() {
      const interrupted = Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runForEach(stream, () => Effect.never))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const spans = yield* spansOf(interrupted, MockClient.make())
      assert.isTrue(Exit.isInterrupted(exitOf(spans, "GPTalk.streamText")!))
    }))

  const failsAtTheEnd = Sink.flatMap(Sink.drain, () => Sink.fail("the consumer's"))

  it.effect.each<readonly [string, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]>([
    ["has a delta", Stream.runForEach(stream, () => Effect.fail("the consumer's"))],
    ["has all of them", Stream.run(stream, failsAtTheEnd)]
  ])("of a consumer that fails once it %s a call knows nothing", ([_, call]) =>
    Effect.gen(function*() {
      const spans = yield* spansOf(call, MockClient.make())
      assert.isTrue(spans.every((span) => span.status._tag === "Ended" && Exit.isSuccess(span.status.exit)))
    }))

  it.effect("a call that dies ends its span so, also where an unreadable frame is logged", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        Stream.runDrain(stream).pipe(
          Logger.withMinimumLogLevel(LogLevel.Debug),
          Effect.provide(Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => {
              if (String(message).includes("passed over")) throw new Error("the logger's")
            })
          ))
        ),
        MockClient.make({ stream: () => MockClient.eventStream("data: {\n\n", MockClient.frame("a"), MockClient.done) })
      )
      for (const name of ["GPTalk.streamText", "GPTalk.stream"]) {
        assert.isTrue(Exit.isFailure(exitOf(spans, name)!), name)
      }
    }))

  it.effect.each<readonly [string, <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>]>([
    ["the first that answers wins", identity],
    ["the one that lost goes on for a while", Effect.disconnect]
  ])("an Auth may ask twice at a time: %s, and each span ends", ([_, lose]) =>
    Effect.gen(function*() {
      const client = MockClient.make({
        text: (received, index) =>
          index === 0
            ? Effect.uninterruptible(
              Effect.delay(Effect.sync(() => MockClient.defaults.text(received, index)), "5 seconds")
            )
            : MockClient.defaults.text(received, index),
        stream: () =>
          new MockClient.Source((source) => source.pulls === 1 ? source.emit(MockClient.frame("a")) : undefined)
            .response
      })
      const hedged = around((use) => Effect.race(lose(use), Effect.delay(use, "1 second")))
      const { layer, spans } = yield* Spans.record
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runDrain(stream))
        yield* TestClock.adjust("10 seconds")
        const open = spans.filter(({ status }) => status._tag !== "Ended").map(({ name }) => name)
        assert.deepStrictEqual(open, ["GPTalk.streamText", "GPTalk.stream"])
        yield* Fiber.interrupt(fiber)
        assert.isTrue(spans.every(({ status }) => status._tag === "Ended"))
      }).pipe(
        Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide(hedged), Layer.provide(client.layer))),
        Effect.provide(layer)
      )
    }))

  it.effect.each<readonly [string, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]>([
    ["generateText", generate],
    ["streamText", Stream.runDrain(stream)]
  ])(
    "all of them end, wherever %s is interrupted",
    ([_, call]) =>
      Effect.gen(function*() {
        // The fewer steps a fiber makes at a time, the more places there are. With fewer than a dozen, Effect itself
        // does not get on.
        for (let steps = 12; steps <= 24; steps++) {
          for (let turns = 1; turns <= 60; turns++) {
            const interrupted = Effect.gen(function*() {
              const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(call, steps))
              yield* Effect.promise(async () => {
                for (let turn = 0; turn < turns; turn++) await undefined
              })
              yield* Fiber.interrupt(fiber)
            })
            const spans = yield* spansOf(interrupted, MockClient.make())
            const open = spans.filter(({ status }) => status._tag !== "Ended").map(({ name }) => name)
            assert.deepStrictEqual(open, [], `${steps} steps at a time, interrupted after ${turns} turns`)
          }
        }
      })
  )

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
