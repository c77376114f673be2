import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type * as Responder from "effect-gptalk/Responder"
import type { Options } from "../../src/internal/sessionStore.js"
import { SessionStore } from "../../src/internal/sessionStore.js"

const request: Responder.Request = {
  prompt: "Hi",
  model: "gpt-3.5-turbo",
  temperature: 0,
  systemPrompt: "",
  contextMessages: 3
}

const make = (options: Partial<Options> = {}) => {
  const store = new SessionStore({
    usageLimit: 2,
    sessionLifetime: Duration.millis(100),
    streamTokenLifetime: Duration.millis(10),
    maxSessions: 3,
    maxStreamTokens: 100,
    ...options
  })
  const login = (now = 0) => store.login(now)!.token
  const use = (token: string, times = 1) => {
    for (let count = 0; count < times; count++) store.accept(token, request, 0)
  }
  return { store, login, use }
}

describe("SessionStore", () => {
  describe("a session", () => {
    it("ends after its lifetime", () => {
      assert.strictEqual(make().store.login(50)!.expiresAt, 150)
    })

    it("is good as long as it has a use left", () => {
      const { login, store, use } = make()
      const token = login()
      use(token)
      assert.strictEqual(store.statusOf(token, 0), "good")
    })

    it("is spent with its last use", () => {
      const { login, store, use } = make()
      const token = login()
      use(token, 2)
      assert.strictEqual(store.statusOf(token, 0), "spent")
    })

    it("is good at the moment it ends, and unknown after that", () => {
      const { login, store } = make()
      const token = login()
      assert.deepStrictEqual([100, 101].map((now) => store.statusOf(token, now)), ["good", "unknown"])
    })

    it("that nobody was given is unknown", () => {
      assert.strictEqual(make().store.statusOf("x", 0), "unknown")
    })

    it("is not used by a reply that is not accepted", () => {
      const { login, store, use } = make({ maxStreamTokens: 1 })
      const token = login()
      use(token, 5)
      assert.strictEqual(store.statusOf(token, 0), "good")
    })
  })

  describe("when all places are taken", () => {
    it("a spent session goes first, though one that was never used is older", () => {
      const { login, store, use } = make()
      const [unused, spent, inUse] = [login(), login(), login()]
      use(spent, 2)
      use(inUse)
      login()
      assert.deepStrictEqual([unused, spent, inUse].map((token) => store.statusOf(token, 0)), [
        "good",
        "unknown",
        "good"
      ])
    })

    it("then the oldest that was never used", () => {
      const { login, store, use } = make()
      const [inUse, older, newer] = [login(), login(), login()]
      use(inUse)
      login()
      assert.deepStrictEqual([inUse, older, newer].map((token) => store.statusOf(token, 0)), [
        "good",
        "unknown",
        "good"
      ])
    })

    it("never one that is in use: there is no new session", () => {
      const { login, store, use } = make()
      for (let count = 0; count < 3; count++) use(login())
      assert.isUndefined(store.login(0))
    })

    it("those that have ended make room, in use or not", () => {
      const { login, store, use } = make()
      for (let count = 0; count < 3; count++) use(login())
      assert.isDefined(store.login(101))
    })

    it("one that is in use keeps its place up to the moment it ends", () => {
      const { login, store, use } = make()
      for (let count = 0; count < 3; count++) use(login())
      assert.isUndefined(store.login(100))
    })

    it("no more than that many are known, however many logins are made", () => {
      const { login, store } = make({ maxSessions: 10_000 })
      const tokens = Array.from({ length: 11_000 }, () => login())
      assert.deepStrictEqual(tokens.filter((token) => store.statusOf(token, 0) === "good"), tokens.slice(-10_000))
    })
  })

  describe("a stream token", () => {
    it("gives the request once", () => {
      const { login, store } = make()
      const streamToken = store.accept(login(), request, 0)!
      assert.deepStrictEqual([store.redeem(streamToken, 0), store.redeem(streamToken, 0)], [request, undefined])
    })

    it("gives it up to the moment it ends", () => {
      const { login, store } = make()
      assert.strictEqual(store.redeem(store.accept(login(), request, 0)!, 10), request)
    })

    it("gives nothing after that", () => {
      const { login, store } = make()
      assert.isUndefined(store.redeem(store.accept(login(), request, 0)!, 11))
    })

    it("is kept up to the moment it ends, though another is given", () => {
      const { login, store } = make()
      const token = login()
      const streamToken = store.accept(token, request, 0)!
      store.accept(token, request, 10)
      assert.strictEqual(store.redeem(streamToken, 10), request)
    })

    it("outlives its session", () => {
      const { login, store } = make({ maxSessions: 1, usageLimit: 1 })
      const streamToken = store.accept(login(), request, 0)!
      login()
      assert.strictEqual(store.redeem(streamToken, 0), request)
    })

    it("is refused when too many wait", () => {
      const { login, store } = make({ maxStreamTokens: 1 })
      const token = login()
      assert.deepStrictEqual([0, 0].map((now) => store.accept(token, request, now) !== undefined), [true, false])
    })

    it.each([[0, true], [1, false]] as const)("holds 64 MiB at two bytes a character: %i more, %o", (more, fits) => {
      const { login, store } = make()
      const prompt = "x".repeat(32 * 1024 * 1024 - request.model.length + more)
      assert.strictEqual(store.accept(login(), { ...request, prompt }, 0) !== undefined, fits)
    })

    describe("with a large prompt", () => {
      const large = { ...request, prompt: "x".repeat(12 * 1024 * 1024) }
      const fill = () => {
        const { login, store } = make({ usageLimit: 100 })
        const token = login()
        const streamTokens = [0, 0].map((now) => store.accept(token, large, now)!)
        return { accept: (now: number) => store.accept(token, large, now), store, streamTokens, token }
      }

      it("is refused when the prompts that wait are too large together", () => {
        assert.isUndefined(fill().accept(0))
      })

      for (const field of ["systemPrompt", "model"] as const) {
        it(`is refused for its ${field} too`, () => {
          const { store, token } = fill()
          assert.isUndefined(store.accept(token, { ...request, [field]: large.prompt }, 0))
        })
      }

      it("does not keep a small one out", () => {
        const { store, token } = fill()
        assert.isDefined(store.accept(token, request, 0))
      })

      it("finds room when another was answered, and not before", () => {
        const { accept, store, streamTokens } = fill()
        const asked = store.redeem(streamTokens[0]!, 0)!
        assert.isUndefined(accept(0))
        store.release(asked)
        assert.deepStrictEqual([accept(0) !== undefined, accept(0)], [true, undefined])
      })

      it("makes room once when it has ended, however often it is asked for", () => {
        const { accept, store, streamTokens } = fill()
        for (let count = 0; count < 3; count++) store.redeem(streamTokens[0]!, 11)
        assert.deepStrictEqual([accept(0) !== undefined, accept(0)], [true, undefined])
      })

      it("finds room when the others have ended", () => {
        assert.isDefined(fill().accept(11))
      })
    })

    it("takes the place of one that has ended, though one of before the clock was set back has not", () => {
      const { login, store } = make({ maxStreamTokens: 2 })
      const token = login()
      store.accept(token, request, 1000)
      store.accept(token, request, 0)
      assert.isDefined(store.accept(token, request, 11))
    })

    it("takes the place of one that has ended", () => {
      const { login, store } = make({ maxStreamTokens: 1 })
      const token = login()
      store.accept(token, request, 0)
      assert.isDefined(store.accept(token, request, 11))
    })
  })
})
