import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { type Clock, Effect, Fiber, Layer, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { around } from "./utils/auths.js"
import { pause } from "./utils/eventually.js"
import { fakeTimers } from "./utils/fakeTimers.js"
import * as MockClient from "./utils/mockClient.js"
import { ask, failure, isRunning, timeout, withSource } from "./utils/timedCalls.js"

const { provideOnce: provide } = MockClient

/** A JSON answer of which only a part comes. */
const half = (): Response => {
  const source = new MockClient.Source()
  source.emit("{\"data\":")
  return new Response(source.response.body, { headers: { "content-type": "application/json" } })
}

describe("GPTalk timeouts", () => {
  it.effect("are those of a call also where it follows another at once", () => {
    const client = MockClient.make({
      text: (received, index) => index === 0 ? MockClient.defaults.text(received, index) : Effect.never
    })
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.zipRight(ask, ask))
      yield* TestClock.adjust("0 seconds")
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* failure(fiber), timeout("response", "text", "30 seconds"))
    }).pipe(provide(client, { retries: 0 }))
  })

  it.effect("are those of a call also where it follows another after a while", () => {
    const client = MockClient.make({
      text: (received, index) => index === 0 ? MockClient.defaults.text(received, index) : Effect.never
    })
    return Effect.gen(function*() {
      yield* ask
      // What watches over calls stops when there is none.
      yield* pause
      yield* TestClock.adjust("1 second")
      const fiber = yield* Effect.fork(ask)
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* failure(fiber), timeout("response", "text", "30 seconds"))
    }).pipe(provide(client))
  })

  describe("with an Auth of one's own", () => {
    const provideAround = (client: MockClient.MockClient, auth: ReturnType<typeof around>) =>
      Effect.provide(GPTalk.layerWithoutAuth({ retries: 0 }).pipe(Layer.provide(auth), Layer.provide(client.layer)))

    it.effect("do not run on while that is busy with the answer", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(fiber), "Hello!")
      }).pipe(provideAround(MockClient.make(), around((use) => Effect.zipLeft(use, Effect.sleep("1 minute"))))))

    it.effect("run on for a request that it makes beside one that has failed", () => {
      const client = MockClient.make({
        text: (_, index) => index === 0 ? Effect.delay(Effect.fail(new Error("reset")), "5 seconds") : Effect.never
      })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("31 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("response", "text", "30 seconds"))
      }).pipe(provideAround(client, around((use) => Effect.race(use, Effect.delay(use, "1 second")))))
    })
  })

  it.effect.each([-1, 1])("run by a clock that is not set with the time of day, here %s hour", (hours) => {
    const client = MockClient.make({ text: () => Effect.never })
    return Effect.gen(function*() {
      const clock = yield* Effect.clock
      let offset = 0
      const set: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(duration),
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + offset,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
      }
      const fork = Effect.fork(Effect.withClock(ask, set))
      yield* fork
      yield* TestClock.adjust("10 seconds")
      const fiber = yield* fork
      yield* TestClock.adjust("10 seconds")
      offset = hours * 3_600_000
      yield* TestClock.adjust("19 seconds")
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* failure(fiber), timeout("response", "text", "30 seconds"))
    }).pipe(provide(client))
  })

  it.effect.each([0, 1, 2, 3])("are exact also in a test that is set to a date, and %s ms", (millis) => {
    const client = MockClient.make({ text: () => Effect.never })
    return Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2024, 2, 1) + millis)
      for (const after of [1, 250, 30_000]) {
        const fiber = yield* Effect.fork(
          Effect.provide(ask, GPTalk.layer({ retries: 0, timeouts: { response: after } }))
        )
        yield* TestClock.adjust(after - 1)
        assert.isTrue(yield* isRunning(fiber))
        yield* TestClock.adjust(1)
        assert.deepInclude(yield* failure(fiber), timeout("response", "text", after))
      }
    }).pipe(Effect.provide(client.layer))
  })

  describe("response", () => {
    it.effect.each(["login", "text", "stream"] as const)("runs out when nothing answers to %s", (step) => {
      const client = MockClient.make({ [step]: () => Effect.never })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("29 seconds")
        assert.isTrue(yield* isRunning(fiber))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* failure(fiber), timeout("response", step, "30 seconds"))
      }).pipe(provide(client))
    })

    it.effect.each(["login", "text"] as const)("runs to the whole JSON answer of %s", (step) => {
      const client = MockClient.make({ [step]: half })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("30 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("response", step, "30 seconds"))
      }).pipe(provide(client))
    })

    it.effect("runs to the headers of the stream only", () => {
      const { provide, source } = withSource({ timeouts: { response: "1 second" } })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("50 seconds")
        assert.isTrue(yield* isRunning(fiber))
        source.emit(MockClient.frame("a") + MockClient.done)
        assert.strictEqual(yield* Fiber.join(fiber), "a")
      }).pipe(provide)
    })

    it.effect("is what the option says", () => {
      const client = MockClient.make({ login: () => Effect.never })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* failure(fiber), timeout("response", "login", "2 seconds"))
      }).pipe(provide(client, { timeouts: { response: "2 seconds" } }))
    })

    it.effect("lets go of the request", () => {
      const client = MockClient.make({ text: () => Effect.never })
      return Effect.gen(function*() {
        yield* Effect.fork(ask)
        yield* TestClock.adjust("30 seconds")
        assert.isTrue(client.of("text")[0]!.signal.aborted)
      }).pipe(provide(client))
    })
  })

  describe("of several calls", () => {
    it.effect("run out when they should, beside longer ones that began before", () => {
      const timeouts = { response: "1 second", firstDelta: "1 hour" } as const
      const client = MockClient.make({
        text: (received, index) => index === 0 ? MockClient.defaults.text(received, index) : Effect.never,
        stream: () => new MockClient.Source().response
      })
      return Effect.gen(function*() {
        const long = yield* Effect.fork(ask)
        yield* TestClock.adjust("30 minutes")
        const short = yield* Effect.fork(ask)
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* failure(short), timeout("response", "text", "1 second"))
        assert.isTrue(yield* isRunning(long))
        yield* TestClock.adjust("30 minutes")
        assert.deepInclude(yield* failure(long), timeout("firstDelta", "stream", "1 hour"))
      }).pipe(provide(client, { timeouts }))
    })

    /** The clock of the test, and how many fibers sleep by it. */
    const sleeping = Effect.map(Effect.clock, (clock) => {
      let count = 0
      const counting: typeof clock = Object.create(clock, {
        sleep: {
          value: (duration: Duration.Duration) =>
            Effect.acquireUseRelease(
              Effect.sync(() => count++),
              () => clock.sleep(duration),
              () => Effect.sync(() => count--)
            )
        }
      })
      return { clock: counting, count: () => count }
    })

    it.effect("are watched by one fiber", () =>
      Effect.gen(function*() {
        const { clock, count } = yield* sleeping
        const client = MockClient.make({
          text: (received, index) => index === 0 ? MockClient.defaults.text(received, index) : Effect.never,
          stream: () => new MockClient.Source().response
        })
        yield* Effect.gen(function*() {
          yield* Effect.fork(ask)
          yield* TestClock.adjust("10 seconds")
          yield* Effect.fork(ask)
          yield* TestClock.adjust(0)
        }).pipe(provide(client, { timeouts: { response: "1 second", firstDelta: "1 hour" } }), Effect.withClock(clock))
        assert.strictEqual(count(), 1)
      }))

    it.effect("are watched by none once the calls are over", () =>
      Effect.gen(function*() {
        const { clock, count } = yield* sleeping
        yield* Effect.all([ask, ask], { concurrency: "unbounded" }).pipe(
          provide(MockClient.make()),
          Effect.withClock(clock)
        )
        yield* pause
        assert.strictEqual(count(), 0)
      }))

    it.live("are watched for each layer apart: its timers may end with the test, or the request, that set them", () => {
      const lost = ask.pipe(
        provide(MockClient.make(), { timeouts: { response: "100 millis", firstDelta: "100 millis" } }),
        (call) => Effect.scoped(Effect.zipRight(fakeTimers, call))
      )
      const stalled = ask.pipe(
        provide(MockClient.make({ stream: () => new MockClient.Source().response }), {
          timeouts: { firstDelta: "200 millis" }
        })
      )
      return Effect.gen(function*() {
        yield* lost
        const error = yield* Effect.map(Effect.flip(stalled), Object)
        assert.deepInclude(error, timeout("firstDelta", "stream", "200 millis"))
      })
    })

    it.effect("wake nobody in between", () =>
      Effect.gen(function*() {
        const clock = yield* Effect.clock
        let sleeps = 0
        const counting: typeof clock = Object.create(clock, {
          sleep: {
            value: (duration: Duration.Duration) => {
              sleeps++
              return clock.sleep(duration)
            }
          }
        })
        const { provide } = withSource({ timeouts: { response: "10 millis", firstDelta: "1 hour" } })
        const fiber = yield* Effect.fork(Effect.withClock(ask.pipe(provide), counting))
        yield* TestClock.adjust(0)
        const before = sleeps
        yield* TestClock.adjust("59 minutes")
        assert.isAtMost(sleeps - before, 2)
        yield* TestClock.adjust("1 minute")
        assert.deepInclude(yield* failure(fiber), timeout("firstDelta", "stream", "1 hour"))
      }))
  })
})
