import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Random, Redacted, TestClock } from "effect"
import * as Auth from "effect-gptalk/Auth"
import { used } from "./utils/auths.js"
import * as MockClient from "./utils/mockClient.js"

const use = Effect.flatMap(Auth.Auth, (auth) => auth.withToken((token) => Effect.succeed(Redacted.value(token))))

const useFor = (duration: Duration.DurationInput) =>
  Effect.flatMap(
    Auth.Auth,
    (auth) => auth.withToken((token) => Effect.as(Effect.sleep(duration), Redacted.value(token)))
  )

const provide = (client: MockClient.MockClient, options?: Auth.Options) =>
  Effect.provide(Layer.provide(Auth.layer(options), client.layer))

const many = <A, E, R>(effect: Effect.Effect<A, E, R>, count: number) =>
  Effect.fork(Effect.all(Array.from({ length: count }, () => effect), { concurrency: "unbounded" }))

describe("Auth, many at once", () => {
  it.effect.each([[1, 1], [5, 1], [6, 2], [10, 2], [12, 3], [101, 21]])(
    "%s callers make %s logins",
    ([callers, logins]) => {
      const client = MockClient.make({ login: MockClient.slowLogin })
      return Effect.gen(function*() {
        const fiber = yield* many(use, callers!)
        yield* TestClock.adjust("1 second")
        const tokens = yield* Fiber.join(fiber)
        assert.strictEqual(client.count("login"), logins)
        assert.strictEqual(new Set(tokens).size, logins)
      }).pipe(provide(client))
    }
  )

  it.effect("the logins run side by side", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const fiber = yield* many(use, 12)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
      assert.deepStrictEqual(client.of("login").map((received) => received.at), [0, 0, 0])
    }).pipe(provide(client))
  })

  it.effect("no session is used more often than its limit", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const fiber = yield* many(useFor("1 second"), 23)
      yield* TestClock.adjust("10 seconds")
      const counts = new Map<string, number>()
      for (const token of yield* Fiber.join(fiber)) counts.set(token, (counts.get(token) ?? 0) + 1)
      assert.deepStrictEqual([...counts.values()].sort(), [3, 5, 5, 5, 5])
    }).pipe(provide(client))
  })

  it.effect("reserved and kept uses of a session never exceed its limit, though others fail or are interrupted", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    const holders = new Map<string, number>()
    let most = 0
    const add = (token: string, count: number) =>
      Effect.sync(() => {
        holders.set(token, (holders.get(token) ?? 0) + count)
        most = Math.max(most, holders.get(token)!)
      })
    const call = Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const outcome = yield* Random.nextIntBetween(0, 3)
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 5000))
      const using = auth.withToken((token) =>
        Effect.acquireUseRelease(
          add(Redacted.value(token), 1),
          () => Effect.delay(outcome === 0 ? Effect.fail("no") : Effect.void, "300 millis"),
          (_, exit) => Exit.isSuccess(exit) ? Effect.void : add(Redacted.value(token), -1)
        )
      )
      yield* Effect.exit(outcome === 1 ? Effect.timeout(using, "200 millis") : using)
    })
    return Effect.gen(function*() {
      const fiber = yield* many(call, 60)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(most, 5)
    }).pipe(provide(client), Effect.withRandom(Random.make("many")))
  })

  it.effect("those who come while a login is under way wait for it", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(use)
      yield* TestClock.adjust("500 millis")
      const second = yield* Effect.fork(use)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(first), yield* Fiber.join(second))
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provide(client))
  })

  it.effect("callers that wait share a session that is expired on arrival", () => {
    const client = MockClient.make({
      login: (_, index) =>
        Effect.delay(
          Effect.sync(() => MockClient.json({ data: { token: `session-token-${index}`, expires_at: -1 } })),
          "1 second"
        )
    })
    return Effect.gen(function*() {
      const fiber = yield* many(use, 5)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provide(client))
  })

  it.effect("a failed login fails all who waited for it, and is made once", () => {
    const client = MockClient.make({
      login: (received, index) =>
        Effect.delay(
          Effect.sync(() =>
            index === 0 ? new Response(null, { status: 502 }) : MockClient.defaults.login(received, index)
          ),
          "1 second"
        )
    })
    return Effect.gen(function*() {
      const fiber = yield* many(Effect.flip(use), 5)
      yield* TestClock.adjust("1 second")
      const errors = yield* Fiber.join(fiber)
      assert.deepStrictEqual(errors.map((error) => error._tag), Array(5).fill("ServiceError"))
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provide(client))
  })

  it.effect("a failed login is told to those who waited for it, and not to the log", () => {
    const client = MockClient.make({ login: () => Effect.die(new Error("not for the log")) })
    const logged: Array<unknown> = []
    return Effect.gen(function*() {
      assert.isTrue(Exit.isFailure(yield* Effect.exit(use)))
      assert.deepStrictEqual(logged, [])
    }).pipe(
      provide(client),
      Logger.withMinimumLogLevel(LogLevel.All),
      Effect.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void logged.push(message))))
    )
  })

  it.effect("after a failed login, those who come next share a new one", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0 ? new Response(null, { status: 502 }) : MockClient.defaults.login(received, index)
    })
    return Effect.gen(function*() {
      yield* Effect.exit(use)
      const fiber = yield* many(use, 5)
      assert.deepStrictEqual(yield* Fiber.join(fiber), Array(5).fill("session-token-1"))
    }).pipe(provide(client))
  })

  it.effect("a failed login leaves those who wait for another one alone", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0 ? new Response(null, { status: 502 }) : MockClient.defaults.login(received, index)
    })
    return Effect.gen(function*() {
      const fiber = yield* many(Effect.either(use), 10)
      const results = yield* Fiber.join(fiber)
      assert.strictEqual(results.filter((result) => result._tag === "Right").length, 5)
    }).pipe(provide(client))
  })
})

describe("Auth, interrupted", () => {
  it.effect("a use is given back", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(useFor("1 hour"))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* used, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* used, 0)
    }).pipe(provide(client))
  })

  it.effect("a use is given back while the login is still under way", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(use)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* used, 0)
      assert.deepStrictEqual(yield* Effect.replicateEffect(use, 5), Array(5).fill("session-token-0"))
    }).pipe(provide(client))
  })

  it.effect("the caller that began a login takes none of those who wait for it down", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(use)
      yield* TestClock.adjust("500 millis")
      const others = yield* many(use, 4)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(yield* Fiber.join(others), Array(4).fill("session-token-0"))
    }).pipe(provide(client))
  })

  it.effect("one that waits takes none of the others down", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(use)
      const second = yield* Effect.fork(use)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(first), "session-token-0")
      assert.strictEqual(yield* used, 1)
    }).pipe(provide(client))
  })

  it.effect("the interruption does not wait for the login", () => {
    const client = MockClient.make({ login: () => Effect.never })
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(use)
      yield* TestClock.adjust(0)
      assert.strictEqual(client.count("login"), 1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    }).pipe(provide(client))
  })

  it.effect("when the layer is closed, the login under way is cancelled", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const cancelled = yield* Deferred.make<void>()
      const client = MockClient.make({
        login: () =>
          Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(cancelled, undefined))
          )
      })
      yield* Effect.fork(use).pipe(Effect.zipRight(Deferred.await(begun)), provide(client))
      assert.isTrue(yield* Deferred.isDone(cancelled))
    }))
})
