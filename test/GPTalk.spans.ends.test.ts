import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, identity, Layer, Logger, LogLevel, Sink, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { around } from "./utils/auths.js"
import * as MockClient from "./utils/mockClient.js"
import * as Spans from "./utils/spans.js"

const { exitOf, spansOf } = Spans

const generate = GPTalk.generateText({ prompt: "Hi" })
const stream = GPTalk.streamText({ prompt: "Hi" })

describe("GPTalk spans", () => {
  it.effect("all of them end, and end well, with the reply", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Effect.zipRight(Stream.runDrain(stream), generate), MockClient.make())
      assert.lengthOf(spans, 7)
      assert.isTrue(spans.every((span) => span.status._tag === "Ended" && Exit.isSuccess(span.status.exit)))
    }))

  it.effect("all of them end with a stream that is not read to its end", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Stream.runDrain(Stream.take(stream, 1)), MockClient.make())
      assert.strictEqual(spans.length, 4)
      assert.deepStrictEqual(Spans.open(spans), [])
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

  it.effect("a call that fails ends its span with that, also if its consumer is interrupted later", () =>
    Effect.gen(function*() {
      const goesOn = Effect.flatMap(Stream.toPull(stream), (pull) => Effect.zipRight(Effect.flip(pull), Effect.never))
      const interrupted = Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.scoped(goesOn))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const spans = yield* spansOf(interrupted, MockClient.make({ login: () => new Response(null, { status: 403 }) }))
      assert.isTrue(Exit.isFailure(exitOf(spans, "GPTalk.streamText")!))
      assert.isFalse(Exit.isInterrupted(exitOf(spans, "GPTalk.streamText")!))
      assert.strictEqual(spans[0]!.attributes.get("error.type"), "AuthenticationError")
    }))

  it.effect("an attempt that is followed by another ends its span with its own failure", () =>
    Effect.gen(function*() {
      const client = MockClient.make({
        stream: (received, index) =>
          index === 0
            ? new Response(null, { status: 503, headers: { "retry-after": "0" } })
            : MockClient.defaults.stream(received, index)
      })
      const spans = yield* spansOf(generate, client)
      assert.isTrue(Exit.isFailure(exitOf(spans, "GPTalk.stream")!))
      assert.isTrue(Exit.isSuccess(exitOf(spans.toReversed(), "GPTalk.stream")!))
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
      assert.lengthOf(spans, 4)
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
        assert.deepStrictEqual(Spans.open(spans), ["GPTalk.streamText", "GPTalk.stream"])
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(Spans.open(spans), [])
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
            assert.deepStrictEqual(Spans.open(spans), [], `${steps} steps at a time, interrupted after ${turns} turns`)
          }
        }
      })
  )
})
