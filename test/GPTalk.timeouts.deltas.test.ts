import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Logger, LogLevel, Option, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./utils/mockClient.js"
import { makeSetClock } from "./utils/setClock.js"
import { ask, failure, isRunning, timeout, withSource } from "./utils/timedCalls.js"

const { provideOnce: provide } = MockClient

/** A turn of the event loop. */
const turn = Effect.promise(() => new Promise(setImmediate))

describe("GPTalk timeouts", () => {
  describe("firstDelta", () => {
    it.effect("runs from the headers of the stream", () => {
      const source = new MockClient.Source()
      const client = MockClient.make({ stream: () => Effect.delay(Effect.sync(() => source.response), "20 seconds") })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("79 seconds")
        assert.isTrue(yield* isRunning(fiber))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* failure(fiber), timeout("firstDelta", "stream", "60 seconds"))
      }).pipe(provide(client))
    })

    it.effect("is not renewed by comments, nor by frames without text", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        for (let count = 0; count < 6; count++) {
          yield* TestClock.adjust("10 seconds")
          if (count < 5) source.emit(`: keepalive\n${MockClient.frame("")}data: {"id":1}\n`)
        }
        assert.deepInclude(yield* failure(fiber), timeout("firstDelta", "stream", "60 seconds"))
      }).pipe(provide)
    })

    it.effect("is what the option says", () => {
      const { provide } = withSource({ timeouts: { firstDelta: 500 } })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust(500)
        assert.deepInclude(yield* failure(fiber), timeout("firstDelta", "stream", 500))
      }).pipe(provide)
    })

    it.effect("does not run on once the delta is there", () => {
      const { provide, source } = withSource({ timeouts: { firstDelta: "5 seconds", idle: "1 hour" } })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("4 seconds")
        source.emit(MockClient.frame("a"))
        yield* TestClock.adjust("30 minutes")
        assert.isTrue(yield* isRunning(fiber))
      }).pipe(provide)
    })

    it.effect("that is infinite never runs out", () => {
      const { provide, source } = withSource({ timeouts: { firstDelta: Duration.infinity } })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("5 hours")
        source.emit(MockClient.frame("a") + MockClient.done)
        assert.strictEqual(yield* Fiber.join(fiber), "a")
      }).pipe(provide)
    })
  })

  describe("idle", () => {
    const start = (source: MockClient.Source) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust(0)
        source.emit(MockClient.frame("a"))
        yield* TestClock.adjust(0)
        return fiber
      })

    it.effect("runs from the last frame", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const fiber = yield* start(source)
        yield* TestClock.adjust("40 seconds")
        source.emit(MockClient.frame("ab"))
        yield* TestClock.adjust("59 seconds")
        assert.isTrue(yield* isRunning(fiber))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "60 seconds"))
      }).pipe(provide)
    })

    it.effect("is renewed by a repeated frame", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const fiber = yield* start(source)
        yield* TestClock.adjust("40 seconds")
        source.emit(MockClient.frame("a"))
        yield* TestClock.adjust("40 seconds")
        assert.isTrue(yield* isRunning(fiber))
      }).pipe(provide)
    })

    it.effect.each([
      ["comments", ": keepalive\n"],
      ["comments in data lines", "data: : keepalive\n"],
      ["empty data lines", "data:\n\n"],
      ["frames without content", "data: {\"id\":1}\n"],
      ["unreadable frames", "data: {\n"],
      ["the beginning of a frame", " "]
    ])("%s do not keep a dead stream alive", ([_, line]) => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const fiber = yield* start(source)
        for (let count = 0; count < 5; count++) {
          yield* TestClock.adjust("10 seconds")
          source.emit(line!)
        }
        yield* TestClock.adjust("9 seconds")
        assert.isTrue(yield* isRunning(fiber))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "60 seconds"))
      }).pipe(provide)
    })

    it.effect("shorter than firstDelta counts as soon as there is text", () => {
      const { provide, source } = withSource({ timeouts: { firstDelta: "1 hour", idle: "2 seconds" } })
      return Effect.gen(function*() {
        const fiber = yield* start(source)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "2 seconds"))
      }).pipe(provide)
    })

    it.effect("shorter than an infinite firstDelta counts too", () => {
      const { provide, source } = withSource({ timeouts: { firstDelta: Duration.infinity, idle: "2 seconds" } })
      return Effect.gen(function*() {
        const fiber = yield* start(source)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "2 seconds"))
      }).pipe(provide)
    })

    it.effect("closes the connection", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        yield* start(source)
        yield* TestClock.adjust("60 seconds")
        assert.isTrue(source.isCancelled)
      }).pipe(provide)
    })
  })

  it.effect.each(["firstDelta", "idle"] as const)("count the time that frames without text take: %s", (phase) => {
    let now = 0
    const logger = Logger.make(() => now += 1000)
    const clock = makeSetClock(() => now, (duration) => {
      const end = now + Duration.toMillis(duration)
      return Effect.asVoid(Effect.repeat(turn, { until: () => now >= end }))
    })
    const source = new MockClient.Source((source) =>
      setImmediate(() => {
        if (source.isCancelled) return
        if (source.pulls === 1 && phase === "idle") source.emit(MockClient.frame("a"))
        else if (source.pulls < 1000) source.emit("data: unreadable\n")
        else source.end()
      })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.withClock(Effect.flip(ask), clock)
      assert.deepInclude(Object(error), timeout(phase, "stream", "60 seconds"))
    }).pipe(
      MockClient.provideOnce(MockClient.streaming(source)),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.Debug)
    )
  })

  describe("time that the consumer holds back", () => {
    /** Takes the first delta, then lets an hour pass, then takes the rest. */
    const slowly = (whileHeld: () => void) =>
      Effect.gen(function*() {
        const isHeld = yield* Deferred.make<void>()
        const fiber = yield* GPTalk.streamText({ prompt: "Hi" }).pipe(
          Stream.tap((delta) =>
            delta === "a" ? Effect.zipRight(Deferred.succeed(isHeld, undefined), Effect.sleep("1 hour")) : Effect.void
          ),
          Stream.mkString,
          Effect.fork
        )
        yield* Deferred.await(isHeld)
        yield* TestClock.adjust("30 minutes")
        whileHeld()
        yield* TestClock.adjust("30 minutes")
        return fiber
      })

    it.effect("does not count for idle when the stream goes on meanwhile", () => {
      const { provide, source } = withSource()
      source.emit(MockClient.frame("a"))
      return Effect.gen(function*() {
        const fiber = yield* slowly(() => source.emit(MockClient.frame("ab") + MockClient.done))
        assert.strictEqual(yield* Fiber.join(fiber), "ab")
      }).pipe(provide)
    })

    it.effect("does not count for idle when the stream goes on later", () => {
      const { provide, source } = withSource()
      source.emit(MockClient.frame("a"))
      return Effect.gen(function*() {
        const fiber = yield* slowly(() => {})
        yield* TestClock.adjust("59 seconds")
        source.emit(MockClient.frame("ab") + MockClient.done)
        assert.strictEqual(yield* Fiber.join(fiber), "ab")
      }).pipe(provide)
    })

    it.effect("is not given to the service as time of its own", () => {
      const { provide, source } = withSource()
      source.emit(MockClient.frame("a"))
      return Effect.gen(function*() {
        const fiber = yield* slowly(() => {})
        yield* TestClock.adjust("60 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "60 seconds"))
      }).pipe(provide)
    })

    it.effect("is none for the fiber that waits when another, which took a delta before, ends", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const pull = Effect.mapError(yield* Stream.toPull(GPTalk.streamText({ prompt: "Hi" })), Option.getOrThrow)
        yield* Effect.fork(Effect.zipRight(pull, Effect.sleep("10 seconds")))
        yield* TestClock.adjust(0)
        source.emit(MockClient.frame("a"))
        yield* TestClock.adjust(0)
        const fiber = yield* Effect.fork(pull)
        yield* TestClock.adjust("60 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("idle", "stream", "60 seconds"))
      }).pipe(Effect.scoped, provide)
    })

    it.effect("before it asks for the first delta sends nothing, and so counts for nothing", () => {
      const { provide, source } = withSource()
      return Effect.gen(function*() {
        const pull = yield* Stream.toPull(GPTalk.streamText({ prompt: "Hi" }))
        yield* TestClock.adjust("1 hour")
        const fiber = yield* Effect.fork(pull)
        yield* TestClock.adjust("59 seconds")
        source.emit(MockClient.frame("a"))
        assert.deepStrictEqual([...yield* Fiber.join(fiber)], ["a"])
      }).pipe(Effect.scoped, provide)
    })
  })
})
