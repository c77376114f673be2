import { assert, describe, it } from "@effect/vitest"
import { Secrets } from "../../src/internal/secrets.js"

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

  it("are the latest, where there is a limit", () => {
    const secrets = new Secrets([], 2)
    for (const secret of ["a", "b", "c"]) secrets.add(secret)
    assert.deepStrictEqual(secrets.all, ["b", "c"])
  })

  it("are not forgotten where there is none, however many there are at first", () => {
    const secrets = new Secrets(Array.from({ length: 2_000 }, (_, index) => `${index}`))
    secrets.add("last")
    assert.strictEqual(secrets.all.length, 2_001)
  })
})
