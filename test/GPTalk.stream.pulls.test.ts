import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, Fiber, FiberId, Option, Scheduler, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./utils/mockClient.js"
import * as Spans from "./utils/spans.js"

const { provide, streaming } = MockClient

const stream = GPTalk.streamText({ prompt: "Hi" })

describe("GPTalk streams", () => {
  describe("whose pull is interrupted", () => {
    const pullOf = Effect.map(Stream.toPull(stream), (pull) => ({
      wait: Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.timeoutOption(pull, "1 second"))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
      }),
      next: Effect.map(pull, Chunk.toReadonlyArray)
    }))

    it.effect.each(["login", "text", "stream"] as const)("before %s answers go on with the next", (step) => {
      const source = new MockClient.Source()
      source.emit(MockClient.frame("a"))
      const answers = { ...MockClient.defaults, stream: () => source.response }
      const client = MockClient.make({
        ...answers,
        [step]: (received: MockClient.Received, index: number) =>
          Effect.delay(Effect.sync(() => answers[step](received, index)), "2500 millis")
      })
      return Effect.gen(function*() {
        const spans = yield* Spans.record
        yield* Effect.gen(function*() {
          const { next, wait } = yield* pullOf
          yield* wait
          yield* wait
          const fiber = yield* Effect.fork(next)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* Fiber.join(fiber), ["a"])
        }).pipe(Effect.scoped, provide(client), Effect.provide(spans.layer))
        assert.deepStrictEqual(client.requests.map((request) => request.step), ["login", "text", "stream"])
        assert.isTrue(source.isCancelled)
        assert.deepStrictEqual(spans.spans.map((span) => span.status._tag), ["Ended", "Ended", "Ended", "Ended"])
      })
    })

    it.effect("before the first delta go on with the next", () => {
      const source = new MockClient.Source()
      const client = streaming(source)
      return Effect.gen(function*() {
        const { next, wait } = yield* pullOf
        yield* wait
        source.emit(MockClient.frame("a"))
        assert.deepStrictEqual(yield* next, ["a"])
        yield* wait
        source.emit(MockClient.frame("ab"))
        assert.deepStrictEqual(yield* next, ["b"])
        assert.strictEqual(client.requests.length, 3)
      }).pipe(Effect.scoped, provide(client))
    })

    it.effect("count no time towards a timeout until the next", () => {
      const source = new MockClient.Source()
      return Effect.gen(function*() {
        const { next, wait } = yield* pullOf
        yield* wait
        yield* TestClock.adjust("2 minutes")
        source.emit(MockClient.frame("a"))
        assert.deepStrictEqual(yield* next, ["a"])
        yield* wait
        yield* TestClock.adjust("2 minutes")
        const fiber = yield* Effect.fork(next)
        yield* TestClock.adjust("58 seconds")
        source.emit(MockClient.frame("ab"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), ["b"])
      }).pipe(Effect.scoped, provide(streaming(source)))
    })

    it.effect.each(["firstDelta", "idle"] as const)("count the time that they have waited towards %s", (phase) => {
      const source = new MockClient.Source()
      return Effect.gen(function*() {
        const { next, wait } = yield* pullOf
        if (phase === "idle") {
          source.emit(MockClient.frame("a"))
          yield* next
        }
        for (let second = 0; second < 59; second++) {
          yield* wait
          yield* TestClock.adjust("1 second")
        }
        const fiber = yield* Effect.fork(Effect.flip(next))
        yield* TestClock.adjust("999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 millis")
        assert.deepInclude(Option.getOrThrow(yield* Fiber.join(fiber)), { _tag: "TimeoutError", phase })
      }).pipe(Effect.scoped, provide(streaming(source), { retries: 0 }))
    })

    it.effect("count that time also where their fibers end later than the next begins", () =>
      Effect.gen(function*() {
        const pull = yield* Stream.toPull(stream)
        const slow = Effect.disconnect(Effect.onInterrupt(pull, () => Effect.sleep("1 second")))
        const fiber = yield* Effect.fork(Effect.flip(Effect.forever(Effect.timeoutOption(slow, "30 seconds"))))
        yield* TestClock.adjust("59 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(Option.getOrThrow(yield* Fiber.join(fiber)), { _tag: "TimeoutError", phase: "firstDelta" })
      }).pipe(Effect.scoped, provide(streaming(new MockClient.Source()), { retries: 0 })))

    it.effect("before a retry keep its delay, and their number of retries", () => {
      const client = MockClient.make({
        text: () => new Response(null, { status: 429, headers: { "retry-after": "5" } })
      })
      return Effect.gen(function*() {
        const { next, wait } = yield* pullOf
        for (let second = 0; second < 9; second++) yield* wait
        const fiber = yield* Effect.fork(Effect.flip(next))
        yield* TestClock.adjust("1 minute")
        assert.deepInclude(Option.getOrThrow(yield* Fiber.join(fiber)), { _tag: "RateLimitError" })
        assert.deepStrictEqual(client.of("text").map(({ at }) => at), [0, 5000, 10_000])
      }).pipe(Effect.scoped, provide(client))
    })

    it.effect("at any of its steps make no retry fewer, and leave no span open", () =>
      Effect.gen(function*() {
        let isOver = false
        for (let step = 1; !isOver; step++) {
          const client = MockClient.make({
            text: () => new Response(null, { status: 429, headers: { "retry-after": "0" } })
          })
          const spans = yield* Spans.record
          let pulling: Fiber.RuntimeFiber<unknown, unknown> | undefined
          let left = step
          const scheduler: Scheduler.Scheduler = {
            shouldYield: (fiber) => {
              pulling ??= fiber
              if (fiber !== pulling || --left !== 0) return false
              fiber.unsafeInterruptAsFork(FiberId.none)
              return 0
            },
            scheduleTask: (...task) => Scheduler.defaultScheduler.scheduleTask(...task)
          }
          yield* Effect.gen(function*() {
            const pull = yield* Stream.toPull(stream)
            const exit = yield* Fiber.await(yield* Effect.fork(Effect.withScheduler(pull, scheduler)))
            isOver = Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)
            if (!isOver) yield* Effect.flip(pull)
          }).pipe(Effect.scoped, provide(client), Effect.provide(spans.layer))
          assert.strictEqual(client.count("text"), 3, `interrupted at step ${step}`)
          assert.deepStrictEqual(Spans.open(spans.spans), [], `interrupted at step ${step}`)
        }
      }))
  })

  it.effect("leave nothing behind in the fiber that reads them", () =>
    Effect.gen(function*() {
      const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
      const added = vi.spyOn(fiber, "addObserver")
      const removed = vi.spyOn(fiber, "removeObserver")
      for (let count = 0; count < 3; count++) yield* GPTalk.generateText({ prompt: "Hi" })
      assert.isNotEmpty(added.mock.calls)
      assert.deepStrictEqual(removed.mock.calls, added.mock.calls)
    }).pipe(provide(MockClient.make())))

  it.effect("are followed in one fiber at a time, however often that waits", () => {
    const source = new MockClient.Source((source) =>
      setImmediate(() => {
        if (!source.isCancelled) source.emit(MockClient.frame("a".repeat(source.pulls)))
      })
    )
    return Effect.gen(function*() {
      const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
      const added = vi.spyOn(fiber, "addObserver")
      const removed = vi.spyOn(fiber, "removeObserver")
      const pull = yield* Stream.toPull(stream)
      for (let count = 0; count < 3; count++) yield* pull
      assert.deepStrictEqual([added.mock.calls.length, removed.mock.calls.length], [1, 0])
      yield* Fiber.join(yield* Effect.fork(pull))
      assert.deepInclude(removed.mock.calls, added.mock.calls[0])
    }).pipe(Effect.scoped, provide(streaming(source)))
  })
})
