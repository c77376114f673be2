import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Metric, Option, Scope, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { randomUUID } from "node:crypto"
import { changed } from "./utils/clients.js"
import * as MockClient from "./utils/mockClient.js"
import * as Spans from "./utils/spans.js"
import { inTime } from "./utils/told.js"

const { exitOf, spansOf } = Spans

const generate = GPTalk.generateText({ prompt: "Hi" })
const stream = GPTalk.streamText({ prompt: "Hi" })

const defectsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit) ? Array.from(Cause.defects(exit.cause), (defect) => (defect as Error).message) : []

describe("GPTalk spans", () => {
  const brokenOff = MockClient.make({
    stream: () => {
      const source = new MockClient.Source((source) =>
        source.pulls === 1 ? source.emit(MockClient.frame("a")) : source.break()
      )
      return source.response
    }
  })

  it.effect.each<readonly [string, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]>([
    ["buffers it", Stream.runDrain(Stream.buffer(stream, { capacity: 4 }))],
    ["zips it", Stream.runDrain(Stream.zip(stream, Stream.make(1, 2)))],
    ["groups it", Stream.runDrain(Stream.groupedWithin(stream, 4, "1 second"))],
    [
      "pulls it, and goes on",
      Effect.scoped(Effect.flatMap(Stream.toPull(stream), (pull) => Effect.exit(Effect.forever(pull))))
    ]
  ])("a call that fails ends its span so, though its consumer %s", ([_, call]) =>
    Effect.gen(function*() {
      const spans = yield* spansOf(inTime(call), brokenOff)
      for (const name of ["GPTalk.streamText", "GPTalk.stream"]) {
        assert.match(String(exitOf(spans, name)), /IncompleteReplyError/, name)
      }
    }))

  it.effect.each<readonly [string, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]>([
    ["runs out of time", Stream.runDrain(Stream.timeoutFail(stream, () => "the consumer's", "1 second"))],
    [
      "is interrupted by another stream",
      Stream.runDrain(Stream.merge(stream, Stream.fromEffect(Effect.delay(Effect.fail("the consumer's"), "1 second"))))
    ]
  ])(
    "a call that waits when its consumer %s ends its span without that failure",
    ([_, call]) =>
      Effect.gen(function*() {
        const failed = Effect.map(Effect.exit(inTime(call)), (exit) => assert.isTrue(Exit.isFailure(exit)))
        const client = MockClient.make({
          stream: () =>
            new MockClient.Source((source) => source.pulls === 1 ? source.emit(MockClient.frame("a")) : undefined)
              .response
        })
        const spans = yield* spansOf(failed, client)
        assert.deepStrictEqual(Spans.open(spans), [])
        for (const name of ["GPTalk.streamText", "GPTalk.stream"]) {
          assert.notMatch(String(exitOf(spans, name)), /the consumer's/, name)
        }
      })
  )

  it.effect("all of them end where a finalizer of the client dies", () =>
    Effect.gen(function*() {
      const { layer, spans } = yield* Spans.record
      const dying = changed(
        MockClient.make().layer,
        HttpClient.transform((sent) =>
          Effect.flatMap(Effect.serviceOption(Scope.Scope), (scope) =>
            Effect.zipRight(
              Option.match(scope, {
                onNone: () => Effect.void,
                onSome: (scope) => Scope.addFinalizer(scope, Effect.dieMessage("the finalizer's"))
              }),
              sent
            ))
        )
      )
      yield* Effect.exit(Stream.runDrain(Stream.take(stream, 1))).pipe(
        Effect.provide(GPTalk.layer().pipe(Layer.provide(dying))),
        Effect.provide(layer)
      )
      assert.deepStrictEqual(Spans.open(spans), [])
    }))

  const calls = [["generateText", generate], ["streamText", Stream.mkString(stream)]] as const

  it.effect.each(calls)(
    "a call that fails with the chunk that has a delta ends its span so: %s",
    ([name, call]) =>
      Effect.gen(function*() {
        const client = MockClient.make({
          stream: () => MockClient.eventStream(`${MockClient.frame("a")}data: {"code":500,"msg":"no"}\n\n`)
        })
        const spans = yield* spansOf(call, client)
        assert.match(String(exitOf(spans, `GPTalk.${name}`)), /ServiceError/)
      })
  )

  it.effect.each(calls)(
    "a call that dies after a delta ends its span so: %s",
    ([name, call]) =>
      Effect.gen(function*() {
        const clock = yield* Effect.clock
        let source: MockClient.Source
        let isBroken = false
        const breaking: typeof clock = Object.create(clock, {
          unsafeCurrentTimeNanos: {
            value: () => {
              if (!isBroken) return clock.unsafeCurrentTimeNanos()
              isBroken = false
              throw new Error("the clock's")
            }
          }
        })
        const client = MockClient.make({
          stream: () => {
            source = new MockClient.Source((source) => {
              if (source.pulls === 1) source.emit(MockClient.frame("a"))
            })
            return source.response
          }
        })
        const broken = Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.withClock(Effect.exit(call), breaking))
          yield* TestClock.adjust("1 second")
          isBroken = true
          source.emit(MockClient.frame("ab"))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(defectsOf(yield* Fiber.join(fiber)), ["the clock's"])
        })
        const spans = yield* spansOf(broken, client)
        assert.deepStrictEqual(defectsOf(exitOf(spans, `GPTalk.${name}`)!), ["the clock's"])
      })
  )

  it.effect("a call goes well of which a pull was interrupted, and made again", () =>
    Effect.gen(function*() {
      const source = new MockClient.Source()
      const again = Effect.gen(function*() {
        const pull = yield* Stream.toPull(stream)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(pull, "1 second")))
        source.emit(MockClient.frame("a") + MockClient.done)
        while (Exit.isSuccess(yield* Effect.exit(pull)));
      })
      const spans = yield* spansOf(inTime(Effect.scoped(again)), MockClient.streaming(source))
      assert.isTrue(Exit.isSuccess(exitOf(spans, "GPTalk.streamText")!))
    }))

  it.effect("a tracer that throws keeps no connection open", () =>
    Effect.gen(function*() {
      const source = new MockClient.Source()
      const { layer, spans } = yield* Spans.record
      const run = randomUUID()
      const call = Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.exit(generate))
        yield* TestClock.adjust("1 second")
        const [first] = spans
        first!.attribute = () => {
          throw new Error("the tracer's")
        }
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
        const pairs = yield* Metric.snapshot
        assert.isTrue(pairs.some(({ metricKey: { name, tags } }) =>
          name === "gptalk_replies" && ["TimeoutError", run].every((tag) => tags.some(({ value }) => value === tag))
        ))
      })
      yield* call.pipe(
        MockClient.provide(
          MockClient.streaming(source),
          { retries: 0 }
        ),
        Effect.tagMetrics("run", run),
        Effect.provide(layer)
      )
      assert.isTrue(source.isCancelled)
      assert.deepStrictEqual(Spans.open(spans), [])
    }))
})
