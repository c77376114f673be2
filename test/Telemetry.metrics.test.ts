import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, MetricKeyType, Schedule, Stream, TestClock } from "effect"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import * as MockClient from "./utils/mockClient.js"
import { busy, drain, failures, generate, inTime, stream, told, toldBy } from "./utils/told.js"

describe("metrics, told to OpenTelemetry", () => {
  it.effect("replies by outcome, and their deltas", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.all([generate, drain, generate]))
      assert.deepStrictEqual(metric("gptalk_replies"), { complete: 3 })
      assert.deepStrictEqual(metric("gptalk_deltas"), { "": 6 })
    }))

  it.effect.each(failures)("%s is an outcome", ([tag, options, program]) =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(inTime(program)), options)
      assert.deepStrictEqual(metric("gptalk_replies"), { [tag]: 1 })
    }))

  it.effect("stopped and interrupted are outcomes", () =>
    Effect.gen(function*() {
      const calls = Effect.gen(function*() {
        yield* Stream.runDrain(Stream.take(stream, 1))
        yield* Effect.exit(Stream.runForEach(stream, () => Effect.fail({ _tag: "Mine" })))
        const fiber = yield* Effect.fork(drain)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const { metric } = yield* told(calls, { replies: () => Stream.concat(Stream.make("Hi"), Stream.never) })
      assert.deepStrictEqual(metric("gptalk_replies"), { stopped: 2, interrupted: 1 })
      assert.deepStrictEqual(metric("gptalk_deltas"), { "": 3 })
    }))

  it.effect("seconds to the first delta", () =>
    Effect.gen(function*() {
      const slowly = () => Stream.schedule(Stream.make("one", "two"), Schedule.spaced("2 seconds"))
      const { metric } = yield* told(inTime(Effect.all([drain, generate])), { replies: slowly })
      assert.deepInclude(metric("gptalk_first_delta_seconds")[""], { count: 2, sum: 4, min: 2, max: 2 })
    }))

  it.effect("seconds to the first delta are the same with the tracer off", () =>
    Effect.gen(function*() {
      const slowly = () => Stream.schedule(Stream.make("one", "two"), Schedule.spaced("2 seconds"))
      const { metric } = yield* told(Effect.withTracerEnabled(inTime(drain), false), { replies: slowly })
      assert.deepInclude(metric("gptalk_first_delta_seconds")[""], { count: 1, sum: 2, max: 2 })
    }))

  it.effect.each([[1, "stopped"], [2, "stopped"], [3, "stopped"], [4, "complete"]] as const)(
    "a consumer that takes %s of three deltas and no more: %s",
    ([count, outcome]) =>
      Effect.gen(function*() {
        const { metric } = yield* told(Stream.runDrain(Stream.take(stream, count)), { replies: () => ["a", "b", "c"] })
        assert.deepStrictEqual(metric("gptalk_replies"), { [outcome]: 1 })
      })
  )

  it.effect("a consumer that takes one of three deltas that came at once has stopped", () =>
    Effect.gen(function*() {
      const client = MockClient.make()
      const { metric } = yield* toldBy(client, Stream.runDrain(Stream.take(stream, 1)))
      assert.deepStrictEqual(metric("gptalk_replies"), { stopped: 1 })
    }))

  it.effect("a call without a delta counts for no such time", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(drain), { faults: { stream: GPTalkTest.end() } })
      assert.deepStrictEqual(metric("gptalk_first_delta_seconds"), {})
    }))

  it.effect("logins by reason, and the uses of their sessions", () =>
    Effect.gen(function*() {
      const calls = Effect.gen(function*() {
        yield* Effect.replicateEffect(generate, 3)
        yield* TestClock.adjust("2 hours")
        yield* generate
      })
      const { metric } = yield* told(calls, {
        gptalk: { usageLimit: 2 },
        faults: { text: [undefined, undefined, GPTalkTest.revoke] }
      })
      assert.deepStrictEqual(metric("gptalk_logins"), { absent: 1, used_up: 1, refused: 1, expired: 1 })
      assert.deepStrictEqual(metric("gptalk_session_uses"), { "": 4 })
    }))

  it.effect("counters are of the kind that only goes up", () =>
    Effect.gen(function*() {
      yield* told(inTime(generate), { faults: { text: [busy] }, gptalk: { retries: 1 } })
      const names = (yield* Metric.snapshot).flatMap(({ metricKey: { keyType, name } }) =>
        name.startsWith("gptalk_") && MetricKeyType.isCounterKey(keyType) && keyType.incremental ? name : []
      )
      assert.sameMembers(Array.from(new Set(names)), [
        "gptalk_replies",
        "gptalk_deltas",
        "gptalk_retries",
        "gptalk_logins",
        "gptalk_session_uses"
      ])
    }))

  it.effect("a use that is given back is none", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(generate), { faults: { text: GPTalkTest.answer(400) } })
      assert.deepStrictEqual(metric("gptalk_session_uses"), {})
    }))

  it.effect("retries by the error that led to them", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(inTime(Effect.exit(generate)), {
        faults: { text: [busy, GPTalkTest.answer(429), GPTalkTest.refuse] },
        gptalk: { retries: 2 }
      })
      assert.deepStrictEqual(metric("gptalk_retries"), { ServiceError: 1, RateLimitError: 1 })
      assert.deepStrictEqual(metric("gptalk_replies"), { ConnectionError: 1 })
    }))
})
