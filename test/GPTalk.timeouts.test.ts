import { assert, describe, it } from "@effect/vitest"
import { type Clock, Deferred, Duration, Effect, Fiber, Layer, Option, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { around } from "./utils/auths.js"
import { pause } from "./utils/eventually.js"
import * as MockClient from "./utils/mockClient.js"

const provide = (client: MockClient.MockClient, options?: GPTalk.Options) =>
  Effect.provide(Layer.provide(GPTalk.layer({ retries: 0, ...options }), client.layer))

const ask = GPTalk.generateText({ prompt: "Hi" })

/** How the call failed, if it is over. */
const failure = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<object, A> =>
  Effect.flatMap(Fiber.poll(fiber), (exit) =>
    Option.isNone(exit)
      ? Effect.succeed({ _tag: "still running" })
      : Effect.map(Effect.flip(Fiber.join(fiber)), Object))

const isRunning = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<boolean> =>
  Effect.map(Fiber.poll(fiber), Option.isNone)

const timeout = (phase: "response" | "firstDelta" | "idle", step: MockClient.Step, after: Duration.DurationInput) => ({
  _tag: "TimeoutError",
  phase,
  step,
  after: Duration.decode(after)
})

/** A stream whose frames are written by the test. */
const withSource = (options?: GPTalk.Options) => {
  const source = new MockClient.Source()
  const client = MockClient.make({ stream: () => source.response })
  return { source, provide: provide(client, options) }
}

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
