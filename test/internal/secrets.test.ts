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
    const secrets = new Secrets(["a", "b", "c"], 2)
    for (const secret of ["d", "e", "f"]) secrets.include(new Secrets([secret]))
    assert.sameMembers([...secrets.all], ["a", "b", "c", "e", "f"])
  })
})
