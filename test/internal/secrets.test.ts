import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Auth from "effect-gptalk/Auth"
import { ofCall, ofSettings, Secrets } from "../../src/internal/secrets.js"
import { pause } from "../utils/eventually.js"
import { collectGarbage } from "../utils/garbage.js"
import * as MockClient from "../utils/mockClient.js"

describe("Secrets", () => {
  it("are their own and those of others, with what was added later, each once", () => {
    const secrets = new Secrets(["a"])
    const others = ["a", "b"]
    secrets.include(() => others)
    secrets.add("c")
    others.push("d")
    assert.sameMembers([...secrets.all], ["a", "b", "c", "d"])
  })

  it("leave those alone that they were made of", () => {
    const own = ["a"]
    new Secrets(own).add("b")
    assert.deepStrictEqual(own, ["a"])
  })

  it("ask others once, however often they are included", () => {
    let count = 0
    const others = () => [String(count++)]
    const secrets = new Secrets([])
    secrets.include(others)
    secrets.include(others)
    assert.deepStrictEqual(secrets.all, ["0"])
  })

  it.each([
    "X-Auth",
    "Cookie",
    "x-credentials",
    "x-api-key",
    "password",
    "client_secret",
    "session",
    "X-Amz-Signature",
    "x-token"
  ])(
    "are what the settings send as %s, in a header and in the URL",
    (name) => {
      const url = new URL(`http://localhost/?${name}=b`)
      assert.deepStrictEqual(ofSettings({ headers: { [name]: "a" }, url }), ["a", "b"])
    }
  )

  it("are not what the settings send under other names", () => {
    const url = new URL("http://localhost/?version=1")
    assert.deepStrictEqual(ofSettings({ headers: { accept: "*/*", "user-agent": "a" }, url }), [])
  })

  /** Uses a session as a call does, and keeps a weak reference to what the call has sent. */
  const call = (all: Array<WeakRef<Secrets>>) =>
    Effect.suspend(() => {
      const secrets = new Secrets(["a prompt"])
      all.push(new WeakRef(secrets))
      const use = Effect.flatMap(Auth.Auth, (auth) =>
        auth.withToken(() => Effect.zipRight(Effect.yieldNow(), Effect.fail("no"))))
      return Effect.locally(Effect.exit(use), ofCall, secrets)
    })

  const countKept = (all: ReadonlyArray<WeakRef<Secrets>>) =>
    Effect.map(pause, () => {
      collectGarbage()
      return all.filter((secrets) => secrets.deref() !== undefined).length
    })

  it.effect("of a call are forgotten when its login ends, though the session goes on", () => {
    const all: Array<WeakRef<Secrets>> = []
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* Effect.all(Array.from({ length: 100 }, () => call(all)), { concurrency: "unbounded", discard: true })
      assert.isBelow(yield* countKept(all), 10)
      assert.strictEqual(client.count("login"), 20)
    }).pipe(Effect.provide(Layer.provide(Auth.layer(), client.layer)))
  })
})
