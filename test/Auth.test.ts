import { assert, describe, it, vi } from "@effect/vitest"
import { Clock, DateTime, Effect, Exit, Layer, Option, Redacted, Scope, TestClock } from "effect"
import * as Auth from "effect-gptalk/Auth"
import { used } from "./utils/auths.js"
import * as MockClient from "./utils/mockClient.js"

/** The token that a use is given. */
const use = Effect.flatMap(Auth.Auth, (auth) => auth.withToken((token) => Effect.succeed(Redacted.value(token))))

const provide = (client: MockClient.MockClient, options?: Auth.Options) =>
  Effect.provide(Layer.provide(Auth.layer(options), client.layer))

const expiresIn = (seconds: number): MockClient.Handler => ({ at }, index) =>
  MockClient.json({ data: { token: `session-token-${index}`, expires_at: at / 1000 + seconds } })

describe("Auth", () => {
  describe("login", () => {
    it.effect("is not made before it is needed", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Auth.Auth
        assert.strictEqual(client.count("login"), 0)
      }).pipe(provide(client))
    })

    it.effect("is made when there is no session", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        assert.strictEqual(yield* use, "session-token-0")
        assert.strictEqual(client.count("login"), 1)
      }).pipe(provide(client))
    })

    it.effect("is not made while the session has a use left", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const tokens = yield* Effect.replicateEffect(use, 5)
        assert.deepStrictEqual(tokens, Array(5).fill("session-token-0"))
      }).pipe(provide(client))
    })

    it.effect("is made when the session was used 5 times", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const tokens = yield* Effect.replicateEffect(use, 6)
        assert.strictEqual(tokens[5], "session-token-1")
      }).pipe(provide(client))
    })

    it.effect("is made 3 times for 12 uses in a row", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 12)
        assert.strictEqual(client.count("login"), 3)
      }).pipe(provide(client))
    })

    it.effect("is made after as many uses as usageLimit says", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 6)
        assert.strictEqual(client.count("login"), 3)
      }).pipe(provide(client, { usageLimit: 2 }))
    })

    it.effect("is not made at the second in which the session expires", () => {
      const client = MockClient.make({ login: expiresIn(60) })
      return Effect.gen(function*() {
        yield* use
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* use, "session-token-0")
      }).pipe(provide(client))
    })

    it.effect("is made when the session has expired", () => {
      const client = MockClient.make({ login: expiresIn(60) })
      return Effect.gen(function*() {
        yield* use
        yield* TestClock.adjust("61 seconds")
        assert.strictEqual(yield* use, "session-token-1")
      }).pipe(provide(client))
    })

    it.effect("is made once for a use, though a skewed clock has its session expired at once", () => {
      const client = MockClient.make({ login: expiresIn(-60) })
      return Effect.gen(function*() {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual([yield* use, yield* use], ["session-token-0", "session-token-1"])
        assert.strictEqual(client.count("login"), 2)
      }).pipe(provide(client))
    })

    it.effect("takes an expiry beyond what a date can hold for far away", () => {
      const client = MockClient.make({ login: expiresIn(1e300) })
      return Effect.gen(function*() {
        yield* use
        assert.strictEqual(yield* use, "session-token-0")
        assert.isTrue(Option.isSome(yield* Effect.flatMap(Auth.Auth, (auth) => auth.status)))
      }).pipe(provide(client))
    })

    it.effect("takes an expiry before what a date can hold for long ago", () => {
      const client = MockClient.make({ login: expiresIn(-1e300) })
      return Effect.gen(function*() {
        assert.deepStrictEqual([yield* use, yield* use], ["session-token-0", "session-token-1"])
        const { expiresAt } = Option.getOrThrow(yield* Effect.flatMap(Auth.Auth, (auth) => auth.status))
        assert.strictEqual(DateTime.toEpochMillis(expiresAt), -8.64e15)
      }).pipe(provide(client))
    })

    it.effect("sends a random fingerprint", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 6)
        const [first, second] = client.of("login").map((received) => received.body)
        assert.deepStrictEqual(Object.keys(first!), ["fingerprint", "platform"])
        assert.strictEqual(first!["platform"], "fingerprint")
        assert.match(String(first!["fingerprint"]), /^[0-9a-f]{32}$/)
        assert.notStrictEqual(first!["fingerprint"], second!["fingerprint"])
      }).pipe(provide(client))
    })

    it.scoped("takes its fingerprint from the platform's cryptographic source", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const source = vi.spyOn(crypto, "getRandomValues").mockImplementation((bytes) => {
          if (bytes instanceof Uint8Array) bytes.forEach((_, index) => bytes[index] = 17 * index)
          return bytes
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => source.mockRestore()))
        yield* use
        assert.strictEqual(client.of("login")[0]?.body?.["fingerprint"], "00112233445566778899aabbccddeeff")
      }).pipe(provide(client))
    })

    it.effect("takes its fingerprint from Fingerprint", () => {
      const client = MockClient.make()
      const fingerprint = "0123456789abcdef".repeat(2)
      return use.pipe(
        provide(client),
        Effect.provideService(Auth.Fingerprint, Effect.succeed(fingerprint)),
        Effect.andThen(() => assert.strictEqual(client.of("login")[0]?.body?.["fingerprint"], fingerprint))
      )
    })

    it.effect("answered with 401 or 403 fails with AuthenticationError, and is not tried again", () => {
      const client = MockClient.make({
        login: (_, index) => new Response(null, { status: index === 0 ? 401 : 403 })
      })
      return Effect.gen(function*() {
        const first = yield* Effect.flip(use)
        assert.deepInclude(first, { _tag: "AuthenticationError", step: "login", status: 401 })
        assert.strictEqual(client.count("login"), 1)
        assert.deepInclude(yield* Effect.flip(use), { _tag: "AuthenticationError", step: "login", status: 403 })
      }).pipe(provide(client))
    })

    it.effect("fails its caller, and the next caller logs in anew", () => {
      const client = MockClient.make({
        login: (received, index) =>
          index === 0 ? new Response(null, { status: 500 }) : MockClient.defaults.login(received, index)
      })
      return Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(use), { _tag: "ServiceError", step: "login", status: 500 })
        assert.strictEqual(yield* use, "session-token-1")
      }).pipe(provide(client))
    })
  })

  describe("a use", () => {
    const failing = Effect.flatMap(Auth.Auth, (auth) => Effect.exit(auth.withToken(() => Effect.fail("no"))))

    it.effect("is kept when it succeeds", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 2)
        assert.strictEqual(yield* used, 2)
      }).pipe(provide(client))
    })

    it.effect("is reserved before it runs", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const auth = yield* Auth.Auth
        assert.strictEqual(yield* auth.withToken(() => used), 1)
      }).pipe(provide(client))
    })

    it.effect("is given back when it fails", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(failing, 10)
        assert.strictEqual(yield* used, 0)
        assert.strictEqual(client.count("login"), 1)
      }).pipe(provide(client))
    })

    it.effect("is given back when it dies", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const auth = yield* Auth.Auth
        yield* Effect.exit(auth.withToken(() => Effect.die("defect")))
        yield* Effect.exit(auth.withToken((): Effect.Effect<void> => {
          throw new Error("defect")
        }))
        assert.strictEqual(yield* used, 0)
      }).pipe(provide(client))
    })

    it.effect("fails with its own error", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const auth = yield* Auth.Auth
        assert.strictEqual(yield* Effect.flip(auth.withToken(() => Effect.fail("mine"))), "mine")
      }).pipe(provide(client))
    })

    it.effect("that was given back can be used again", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 4)
        yield* failing
        assert.strictEqual(yield* use, "session-token-0")
        assert.strictEqual(yield* use, "session-token-1")
      }).pipe(provide(client))
    })
  })

  describe("status", () => {
    const status = Effect.flatMap(Auth.Auth, (auth) => auth.status)

    it.effect("is none before the first login", () =>
      Effect.gen(function*() {
        assert.isTrue(Option.isNone(yield* status))
      }).pipe(provide(MockClient.make())))

    it.effect("is none after a login that failed", () =>
      Effect.gen(function*() {
        yield* Effect.exit(use)
        assert.isTrue(Option.isNone(yield* status))
      }).pipe(provide(MockClient.make({ login: () => new Response(null, { status: 500 }) }))))

    it.effect("says when the session expires and how often it was used, and nothing else", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_000)
        yield* Effect.replicateEffect(use, 3)
        const { expiresAt, used, ...rest } = Option.getOrThrow(yield* status)
        assert.strictEqual(DateTime.formatIso(expiresAt), "2023-11-14T23:13:20.000Z")
        assert.deepStrictEqual([used, rest], [3, {}])
      }).pipe(provide(MockClient.make())))

    it.effect("speaks of the newest session", () =>
      Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 5)
        yield* TestClock.adjust("10 minutes")
        yield* use
        const { expiresAt, used } = Option.getOrThrow(yield* status)
        const now = yield* Clock.currentTimeMillis
        assert.deepStrictEqual([DateTime.toEpochMillis(expiresAt) - now, used], [3_600_000, 1])
      }).pipe(provide(MockClient.make())))

    it.effect("speaks of a session that is used up", () =>
      Effect.gen(function*() {
        yield* Effect.replicateEffect(use, 5)
        assert.strictEqual(yield* used, 5)
      }).pipe(provide(MockClient.make())))
  })

  it.effect("an option that is not valid fails each use with InvalidRequestError", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(use), {
        _tag: "InvalidRequestError",
        message:
          "The request is not valid: option usageLimit: expected a number greater than or equal to 1, found a number."
      })
      assert.strictEqual(client.requests.length, 0)
    }).pipe(provide(client, { usageLimit: 0 }))
  })

  it.effect("a login under way is aborted when the layer is closed, though the client cannot be interrupted", () => {
    const client = MockClient.make({ login: () => Effect.uninterruptible(Effect.never) })
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.provide(Auth.layer(), client.layer), scope)
      yield* Effect.fork(Effect.provide(use, context))
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(client.of("login").map(({ signal }) => signal.aborted), [true])
    })
  })

  it.effect("an option that is not valid leaves the status without a session", () =>
    Effect.gen(function*() {
      assert.isTrue(Option.isNone(yield* (yield* Auth.Auth).status))
    }).pipe(provide(MockClient.make(), { usageLimit: 0 })))
})
