import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Data, Effect, Exit, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import * as Auth from "effect-gptalk/Auth"
import * as GPTalkError from "effect-gptalk/GPTalkError"
import { used } from "./utils/auths.js"
import { pause } from "./utils/eventually.js"
import { collectGarbage } from "./utils/garbage.js"
import * as MockClient from "./utils/mockClient.js"

const refused = new GPTalkError.AuthenticationError({ step: "text", status: 401 })

const provide = (client: MockClient.MockClient) => Effect.provide(Layer.provide(Auth.layer(), client.layer))

/** Succeeds with the token, unless it is one of these. */
const useRefusing = (...tokens: ReadonlyArray<string>) =>
  Effect.flatMap(
    Auth.Auth,
    (auth) =>
      auth.withToken((token) =>
        tokens.includes(Redacted.value(token)) ? Effect.fail(refused) : Effect.succeed(Redacted.value(token))
      )
  )

/** Succeeds with the token, unless it is the first one: that is refused, but not at once. */
const refusedAfter = (duration: Duration.DurationInput) =>
  Effect.flatMap(Auth.Auth, (auth) =>
    auth.withToken((token) =>
      Redacted.value(token) === "session-token-0"
        ? Effect.delay(Effect.fail(refused), duration)
        : Effect.succeed(Redacted.value(token))
    ))

const use = useRefusing()

describe("Auth, refused", () => {
  it.effect("the use is made once more, with a new session", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      assert.strictEqual(yield* useRefusing("session-token-0"), "session-token-1")
      assert.strictEqual(yield* used, 1)
    }).pipe(provide(client))
  })

  it.effect("the session is dropped for everybody", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* use
      yield* useRefusing("session-token-0")
      assert.strictEqual(yield* use, "session-token-1")
    }).pipe(provide(client))
  })

  it.effect("a second refusal fails the call", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const error = yield* Effect.flip(useRefusing("session-token-0", "session-token-1"))
      assert.deepStrictEqual(error, refused)
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("the session of a second refusal is dropped too", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* Effect.exit(useRefusing("session-token-0", "session-token-1"))
      assert.strictEqual(yield* use, "session-token-2")
    }).pipe(provide(client))
  })

  it.effect("another failure is no refusal", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const error = new GPTalkError.ServiceError({ step: "text", status: 500, retryAfter: Option.none() })
      assert.deepStrictEqual(yield* Effect.flip(auth.withToken(() => Effect.fail(error))), error)
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provide(client))
  })

  class OtherError extends Data.TaggedError("AuthenticationError")<{ readonly status: number }> {}

  it.effect.each<readonly [string, unknown]>([
    ["a plain object", { _tag: "AuthenticationError", step: "text", status: 401 }],
    ["of another class", new OtherError({ status: 401 })]
  ])("a foreign error with the tag of a refusal is none: %s", ([_, error]) => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      let uses = 0
      const use = auth.withToken(() =>
        Effect.suspend(() => {
          uses++
          return Effect.fail(error)
        })
      )
      assert.deepStrictEqual(yield* Effect.flip(use), error)
      assert.deepStrictEqual([uses, client.count("login"), yield* used], [1, 1, 0])
    }).pipe(provide(client))
  })

  it.effect("the login that follows fails the call when it fails", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0 ? MockClient.defaults.login(received, index) : new Response(null, { status: 500 })
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(useRefusing("session-token-0"))
      assert.deepInclude(error, { _tag: "ServiceError", step: "login" })
    }).pipe(provide(client))
  })

  it.effect("there is no status when the login that follows the refusal of the only session fails", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0 ? MockClient.defaults.login(received, index) : new Response(null, { status: 500 })
    })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const other = yield* Effect.fork(auth.withToken(() => Effect.sleep("1 minute")))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* used, 1)
      yield* Effect.exit(useRefusing("session-token-0"))
      // Somebody still uses the session, but nobody else will.
      assert.isUndefined(yield* used)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(other)
      assert.isUndefined(yield* used)
    }).pipe(provide(client))
  })

  it.effect("a refused login is not made again", () => {
    const client = MockClient.make({ login: () => new Response(null, { status: 403 }) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(use), { _tag: "AuthenticationError", step: "login" })
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provide(client))
  })

  it.effect("many refused at once share one login", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(
        Effect.all(Array.from({ length: 5 }, () => refusedAfter("1 second")), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      const tokens = yield* Fiber.join(fiber)
      assert.deepStrictEqual(tokens, Array(5).fill("session-token-1"))
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("many refused at once, before anything else can happen, share one login", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const tokens = yield* Effect.all(Array.from({ length: 5 }, () => useRefusing("session-token-0")), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(tokens, Array(5).fill("session-token-1"))
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("a session that is refused, and expired on arrival, is used by none who still waited for it", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0
          ? MockClient.json({ data: { token: "session-token-0", expires_at: -1 } })
          : MockClient.defaults.login(received, index)
    })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const uses: Array<string> = []
      const using = auth.withToken((token) =>
        Effect.suspend(() => {
          uses.push(Redacted.value(token))
          return Redacted.value(token) === "session-token-0" ? Effect.fail(refused) : Effect.void
        })
      )
      yield* Effect.all([using, using, using], { concurrency: "unbounded" })
      assert.deepStrictEqual(uses, ["session-token-0", "session-token-1", "session-token-1", "session-token-1"])
    }).pipe(provide(client))
  })

  it.effect("one that is refused later shares the session whose login began after it", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const late = yield* Effect.fork(refusedAfter("5 seconds"))
      const soon = yield* Effect.fork(refusedAfter("1 second"))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* Fiber.join(soon), yield* Fiber.join(late)], ["session-token-1", "session-token-1"])
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("one that waited in vain for a refused session may be refused one itself", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(useRefusing("session-token-0"))
      const second = yield* Effect.fork(useRefusing("session-token-1"))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [
        "session-token-1",
        "session-token-2"
      ])
    }).pipe(provide(client))
  })

  it.effect("one that was refused already, and then waited in vain, is not refused a third time", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const uses: Array<string> = []
      const using = auth.withToken((token) => {
        uses.push(Redacted.value(token))
        return Effect.delay(Effect.fail(refused), "500 millis")
      })
      const fiber = yield* Effect.fork(Effect.flip(using))
      yield* Effect.fork(Effect.exit(useRefusing("session-token-0", "session-token-1")))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), refused)
      assert.deepStrictEqual(uses, ["session-token-0", "session-token-2"])
    }).pipe(provide(client))
  })

  it.effect("a session whose login began before the refused use will not do", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      // Two sessions, each with all of its uses left.
      const failing = Effect.exit(auth.withToken(() => Effect.zipRight(Effect.yieldNow(), Effect.fail("no"))))
      yield* Effect.all(Array.from({ length: 10 }, () => failing), { concurrency: "unbounded" })
      assert.strictEqual(client.count("login"), 2)
      assert.strictEqual(yield* useRefusing("session-token-0", "session-token-1"), "session-token-2")
    }).pipe(provide(client))
  })

  it.effect("the use that follows a refusal can be interrupted too", () =>
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      let uses = 0
      const use = auth.withToken(() => ++uses === 1 ? Effect.fail(refused) : Effect.sleep("1 minute"))
      const fiber = yield* Effect.fork(use)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust(0)
      const exit = yield* Fiber.poll(fiber)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.exists(exit, Exit.isInterrupted))
      assert.strictEqual(uses, 2)
    }).pipe(provide(MockClient.make())))

  it.effect("so can that of a caller who waited for a session in vain", () => {
    const client = MockClient.make({ login: MockClient.slowLogin })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const first = yield* Effect.fork(useRefusing("session-token-0"))
      const second = yield* Effect.fork(auth.withToken(() => Effect.sleep("1 minute")))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(first)
      yield* Fiber.interruptFork(second)
      yield* TestClock.adjust(0)
      const exit = yield* Fiber.poll(second)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.exists(exit, Exit.isInterrupted))
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("a refusal that an interrupted caller never saw leaves the session alone", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const fiber = yield* Effect.fork(auth.withToken(() => Effect.delay(Effect.fail(refused), "1 second")))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* use, "session-token-0")
    }).pipe(provide(client))
  })
})

describe("Auth forgets a session", () => {
  /** How many of the tokens that are seen are still held after 20 rounds. */
  const held = (
    usageLimit: number,
    round: (
      auth: Auth.Service,
      see: (token: Redacted.Redacted<string>) => void,
      index: number
    ) => Effect.Effect<unknown, unknown>
  ) => {
    const tokens: Array<WeakRef<Redacted.Redacted<string>>> = []
    const client = MockClient.make({
      login: (received, index) =>
        Effect.zipRight(Effect.promise(async () => {}), Effect.sync(() => MockClient.defaults.login(received, index)))
    })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      for (let index = 0; index < 20; index++) {
        yield* round(auth, (token) => void tokens.push(new WeakRef(token)), index)
      }
      yield* pause
      collectGarbage()
      assert.isAtLeast(tokens.length, 20)
      return tokens.filter((token) => token.deref() !== undefined).length
    }).pipe(Effect.provide(Layer.provide(Auth.layer({ usageLimit }), client.layer)))
  }

  it.effect("that is used up", () =>
    Effect.gen(function*() {
      assert.isBelow(yield* held(1, (auth, see) => auth.withToken((token) => Effect.sync(() => see(token)))), 10)
    }))

  it.effect("that is refused while others wait for it", () =>
    Effect.gen(function*() {
      const count = yield* held(2, (auth, see, index) =>
        Effect.all([
          auth.withToken((token) => {
            see(token)
            return Redacted.value(token) === `session-token-${2 * index}` ? Effect.fail(refused) : Effect.void
          }),
          auth.withToken(() => Effect.void)
        ], { concurrency: 2 }))
      assert.isBelow(count, 10)
    }))
})
