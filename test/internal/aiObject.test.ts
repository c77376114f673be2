import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, ParseResult, Schema } from "effect"
import { findObject } from "../../src/internal/aiObject.js"

const Answer = Schema.Struct({ name: Schema.String, n: Schema.NumberFromString })
const object = "{\"name\":\"A\",\"n\":\"1\"}"

describe("findObject", () => {
  const befores: ReadonlyArray<readonly [string, string]> = [
    ["formulas", "\\frac{a}{b} ".repeat(60)],
    ["code", "{ name: string }\n".repeat(500)],
    ["braces that nothing closes", "a { brace ".repeat(500)],
    ["objects that do not parse", "{\"name\": A} ".repeat(500)],
    ["objects that nothing closes", "{\"name\": ".repeat(500)],
    ["objects that do not fit", "{\"name\":\"A\"} ".repeat(500)]
  ]
  for (const [kind, before] of befores) {
    it(`goes past many ${kind}`, () => {
      assert.deepStrictEqual(findObject(before + object, Answer), Either.right(object))
    })
  }

  it("passes over a comma after the last field, but not over one in a string", () => {
    const Answer = Schema.Struct({ "a,}": Schema.String, list: Schema.Array(Schema.Number) })
    assert.deepStrictEqual(
      findObject("{\"a,}\": \"\\\",]\",\n  \"list\": [1, 2, ],\n}", Answer),
      Either.right("{\"a,}\": \"\\\",]\",\n  \"list\": [1, 2 ]\n}")
    )
  })

  it("prefers an object that is decoded to one that only looks right", () => {
    assert.deepStrictEqual(findObject("{\"name\":\"A\",\"n\":\"one\"} " + object, Answer), Either.right(object))
  })

  it("finds one within an object that does not parse", () => {
    assert.deepStrictEqual(findObject(`{"answer": ${object}, ...}`, Answer), Either.right(object))
  })

  it("says what is wrong with the first one, without quoting it", () => {
    assert.deepStrictEqual(
      findObject("{\"name\":1} {\"name\":\"A\",\"n\":2} {}", Answer),
      Either.left(
        "No JSON object that fits the schema was found in the reply: name: expected a string, found a number"
      )
    )
    assert.deepStrictEqual(findObject("I do not know.", Answer), Either.left("No JSON object was found in the reply"))
  })

  it("finds an object without fields", () => {
    const Options = Schema.Struct({ name: Schema.optional(Schema.String) })
    assert.deepStrictEqual(findObject("None: {}", Options), Either.right("{}"))
  })

  it("takes no part of an object that does not fit for the object", () => {
    const Person = Schema.Struct({ name: Schema.String, kids: Schema.optional(Schema.Array(Schema.Unknown)) })
    assert.isTrue(Either.isLeft(findObject("{\"name\":1,\"kids\":[{\"name\":\"A\"}]}", Person)))
  })

  it("goes past one at which the schema throws", () => {
    const ThrowingDate = Schema.transform(Schema.String, Schema.String, {
      decode: (text) => new Date(text).toISOString(),
      encode: (text) => text
    })
    const text = "For example {\"at\":\"noon\"}. Here: {\"at\":\"2020-01-01\"}"
    assert.deepStrictEqual(
      findObject(text, Schema.Struct({ at: ThrowingDate })),
      Either.right("{\"at\":\"2020-01-01\"}")
    )
  })

  it("gives up on one that is nested too deep to decode", () => {
    interface Tree {
      readonly kids: ReadonlyArray<Tree>
    }
    const Tree: Schema.Schema<Tree> = Schema.Struct({ kids: Schema.Array(Schema.suspend(() => Tree)) })
    const depth = 5000
    assert.deepStrictEqual(
      findObject("{\"kids\":[".repeat(depth) + "]}".repeat(depth), Tree),
      Either.left("No JSON object that fits the schema was found in the reply: decoding it throws an error")
    )
  })

  it("gives one that looks right where none is decoded, or only a service could", () => {
    class Factor extends Context.Tag("Factor")<Factor, number>() {}
    const Times = Schema.transformOrFail(Schema.Number, Schema.Number, {
      decode: (n) => Effect.map(Factor, (factor) => n * factor),
      encode: ParseResult.succeed
    })
    const both = "{\"m\":0} {\"n\":1} {\"n\":2}"
    assert.deepStrictEqual(findObject(both, Schema.Struct({ n: Times })), Either.right("{\"n\":1}"))
    const NonePasses = Schema.Struct({ n: Schema.Number.pipe(Schema.greaterThan(2)) })
    assert.deepStrictEqual(findObject(both, NonePasses), Either.right("{\"n\":1}"))
  })

  const hostile: ReadonlyArray<readonly [string, string]> = [
    ["braces", "{"],
    ["objects that nothing closes", "{\"\":"],
    ["objects in strings that nothing closes", "{\"{\\"],
    ["short objects that do not parse", "{\"\"}"],
    ["commas", "{\"\":,"],
    ["short objects that do not fit", "{}"]
  ]
  for (const [kind, text] of hostile) {
    it(`gives up on a million characters of ${kind}`, () => {
      assert.isTrue(Either.isLeft(findObject(text.repeat(1_000_000 / text.length), Answer)))
    })
  }

  it("tries a bounded number of short objects", () => {
    let tries = 0
    const Never = Schema.Struct({}).pipe(Schema.filter(() => {
      tries++
      return false
    }))
    findObject("{}".repeat(100_000), Never)
    assert.isBelow(tries, 10_000)
  })

  it("gives up on objects that are nested too deep and do not parse", () => {
    assert.isTrue(Either.isLeft(findObject("{\"\":".repeat(50_000) + "," + "}".repeat(50_000), Answer)))
  })
})
