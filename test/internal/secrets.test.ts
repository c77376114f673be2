import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Auth from "effect-gptalk/Auth"
import { ofCall, Secrets } from "../../src/internal/secrets.js"
import { pause } from "../utils/eventually.js"
import { collectGarbage } from "../utils/garbage.js"
import * as MockClient from "../utils/mockClient.js"

describe("Secrets", () => {
  it("are their own and those that they include, with what was added later", () => {
    const one = new Secrets(["a"])
    const other = new Secrets(["b"])
    one.include(other)
    one.add("c")
    other.add("d")
    assert.sameMembers([...one.all], ["a", "b", "c", "d"])
    assert.sameMembers([...other.all], ["b", "d"])
  })

  it("are those too that are asked for, as they are then", () => {
    const more: Array<Secrets> = []
    const secrets = new Secrets(["a"], { more: () => more })
    more.push(new Secrets(["b"]))
    assert.sameMembers([...secrets.all], ["a", "b"])
    more.pop()
    assert.sameMembers([...secrets.all], ["a"])
  })

  it("are told once, in whatever way they are included", () => {
    const [one, other, third] = [new Secrets(["a"]), new Secrets(["b"]), new Secrets(["c"])]
    one.include(other)
    one.include(other)
    one.include(third)
    other.include(third)
    third.include(one)
    for (const secrets of [one, other, third]) assert.sameMembers([...secrets.all], ["a", "b", "c"])
  })

  it("are their own and those of the latest others, where there is a limit", () => {
    const secrets = new Secrets(["a", "b", "c"], { mostOthers: 2 })
    for (const secret of ["d", "e", "f"]) secrets.include(new Secrets([secret]))
    assert.sameMembers([...secrets.all], ["a", "b", "c", "e", "f"])
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
