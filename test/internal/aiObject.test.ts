import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Fiber, Option, ParseResult, Schema, TestClock } from "effect"
import * as AiObject from "../../src/internal/aiObject.js"

const findObject = <A, I>(text: string, schema: Schema.Schema<A, I>): Either.Either<string, string> =>
  Effect.runSync(Effect.either(AiObject.findObject(text, schema as Schema.Schema<unknown, unknown>)))

const Answer = Schema.Struct({ name: Schema.String, n: Schema.NumberFromString })
const object = "{\"name\":\"A\",\"n\":\"1\"}"

describe("findObject", () => {
  const befores: ReadonlyArray<readonly [string, string]> = [
    ["formulas", "\\frac{a}{b} ".repeat(60)],
    ["code", "{ name: string }\n".repeat(500)],
    ["braces that nothing closes", "a { brace ".repeat(500)],
    ["objects that do not parse", "{\"name\": A} ".repeat(500)],
    ["strings that look like objects", "\"{\"); ".repeat(500)],
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

  it("passes over line breaks and tabs in a string", () => {
    const Poem = Schema.Struct({ text: Schema.String, lines: Schema.Number })
    assert.deepStrictEqual(
      findObject("{\n\t\"text\": \"One\r\n\tTwo\\n\",\n\t\"lines\": 2\n}", Poem),
      Either.right("{\n\t\"text\": \"One\\r\\n\\tTwo\\n\",\n\t\"lines\": 2\n}")
    )
    assert.deepStrictEqual(
      findObject("{\"text\":\"{\n}\",\"lines\":2}", Poem),
      Either.right("{\"text\":\"{\\n}\",\"lines\":2}")
    )
    // Nobody knows what a backslash before a line break stands for.
    assert.isTrue(Either.isLeft(findObject("{\"text\":\"One\\\nTwo\",\"lines\":2}", Poem)))
  })

  it("judges by what the reply holds whether an object has a field of the schema", () => {
    const before = "{\"type\":\"object\"} describes "
    const Defaults = Schema.Struct({
      name: Schema.optionalWith(Schema.String, { as: "Option" }),
      limit: Schema.optionalWith(Schema.Number, { default: () => 10 })
    })
    const named = "{\"name\":\"A\"}"
    assert.deepStrictEqual(findObject(before + named, Defaults), Either.right(named))
    const Value = Schema.pluck(Schema.Struct({ value: Schema.Number }), "value")
    const value = "{\"value\":5}"
    assert.deepStrictEqual(findObject(before + value, Value), Either.right(value))
    assert.deepStrictEqual(findObject("{\"type\":\"object\",\"x\":1} describes " + value, Value), Either.right(value))
  })

  it("takes the one in a code fence before those around it", () => {
    const text =
      `You gave {"name":"A","n":"0"}. One more:\n  \`\`\`json\n  ${object}\n  \`\`\`\nand {"name":"A","n":"2"}`
    assert.deepStrictEqual(findObject(text, Answer), Either.right(object))
    assert.deepStrictEqual(findObject(text.replaceAll("  ", "\t"), Answer), Either.right(object))
    assert.deepStrictEqual(findObject("```\nnone\n```\n" + object, Answer), Either.right(object))
    const example = "```ts\nuse({\"name\":\"B\",\"n\":\"2\"})\n```"
    assert.deepStrictEqual(findObject(`\n${object}\nFor example:\n${example}`, Answer), Either.right(object))
  })

  const pretty = JSON.stringify(JSON.parse(object), null, 2)
  const withFence = "{\"name\":\"```\",\"n\":\"1\"}"
  it.each([
    ["of several lines", `\`\`\`json\n${pretty}\n\`\`\``, pretty],
    ["with more than a language", `\`\`\`json title="a.json"\n${object}\n\`\`\``, object],
    ["whose last line goes on", `\`\`\`json\n${object}\n\`\`\`. Anything else?`, object],
    ["that holds the mark of one in a line", `\`\`\`json\n${withFence}\n\`\`\``, withFence]
  ])("takes the one in a code fence %s before that in the text", (_, fence, expected) => {
    assert.deepStrictEqual(findObject(`Not {"name":"A","n":"0"}:\n${fence}`, Answer), Either.right(expected))
  })

  it("takes code in a line for no code fence", () => {
    const text = `\`\`\`${object}\`\`\`\nNot {"name":"A","n":"0"}:\n\`\`\`\nnone\n\`\`\``
    assert.deepStrictEqual(findObject(text, Answer), Either.right(object))
  })

  it.each(["", "The form:\n"])(
    "takes the one in a later code fence before what stands between them, after %j",
    (before) => {
      const form = "```json\n{\"name\":\"a text\"}\n```"
      const text = `${before}${form}\nNot {"name":"A","n":"0"}:\n\`\`\`json\n${object}\n\`\`\``
      assert.deepStrictEqual(findObject(text, Answer), Either.right(object))
    }
  )

  const names: ReadonlyArray<readonly [kind: string, name: string]> = [
    ["long", "the_reasons_that_speak_for_the_answer_given_below"],
    ["quoted", "a \"name\""],
    ["zero-length", ""]
  ]
  for (const [kind, name] of names) {
    it(`finds one whose first field has a ${kind} name`, () => {
      const text = JSON.stringify({ [name]: "A" })
      const schema = Schema.Struct({ [name]: Schema.String })
      assert.deepStrictEqual(findObject(`Here: ${text}`, schema), Either.right(text))
    })
  }

  it.each(["Here you are, ", "[", "\"Answer\": "])("finds one after %j", (before) => {
    assert.deepStrictEqual(findObject(before + object, Answer), Either.right(object))
  })

  it("finds one with a blank before its colons", () => {
    const spaced = "{ \"name\" : \"A\", \"n\" : \"1\" }"
    assert.deepStrictEqual(findObject(spaced, Answer), Either.right(spaced))
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

  it.each<readonly [string, Schema.Schema.AnyNoContext, unknown, string]>([
    ["literals", Schema.Literal("home", "work"), "SECRET", "expected \"home\" or \"work\", found a string"],
    ["a string or null", Schema.NullOr(Schema.String), 1, "expected a string or null, found a number"],
    [
      "something that may be left out",
      Schema.UndefinedOr(Schema.Literal(1, 2)),
      "1",
      "expected 1 or 2, found a string"
    ],
    [
      "a name or an object",
      Schema.Union(Schema.Literal("none"), Answer),
      1,
      "expected \"none\" or an object, found a number"
    ],
    [
      "one of two objects",
      Schema.Union(Answer, Schema.Struct({ n: Schema.Number })),
      1,
      "expected an object, found a number"
    ]
  ])("names all members of a union that nothing fits: %s", (_, field, value, issue) => {
    assert.deepStrictEqual(
      findObject(JSON.stringify({ field: value }), Schema.Struct({ field })),
      Either.left(`No JSON object that fits the schema was found in the reply: field: ${issue}`)
    )
  })

  it("says what is wrong within the member of a union that was meant", () => {
    const schema = Schema.Struct({ field: Schema.Union(Schema.Literal("none"), Answer) })
    assert.deepStrictEqual(
      findObject("{\"field\":{\"name\":1,\"n\":\"1\"}}", schema),
      Either.left(
        "No JSON object that fits the schema was found in the reply: field.name: expected a string, found a number"
      )
    )
  })

  it("finds an object without fields, if there is none with fields", () => {
    const Options = Schema.Struct({ name: Schema.optional(Schema.String) })
    const Filled = Schema.Struct({ name: Schema.optionalWith(Schema.String, { default: () => "A" }) })
    assert.deepStrictEqual(findObject("None: {} {\"other\":1}", Options), Either.right("{}"))
    assert.isTrue(Either.isLeft(findObject("{\"name\":\"function f() { return {} }", Options)))
    const text = "function f() {} by {\"type\":\"object\"} returns {\"name\":\"B\"}"
    assert.deepStrictEqual(findObject(text, Options), Either.right("{\"name\":\"B\"}"))
    assert.deepStrictEqual(findObject("f() {} returns {\"name\":\"B\"}", Filled), Either.right("{\"name\":\"B\"}"))
  })

  it("finds an object that is decoded to null", () => {
    const Name = Schema.Struct({ name: Schema.NullOr(Schema.String) }).pipe(Schema.pluck("name"))
    assert.deepStrictEqual(findObject("{\"name\":null}", Name), Either.right("{\"name\":null}"))
  })

  const Person = Schema.Struct({ name: Schema.String, kids: Schema.optional(Schema.Array(Schema.Unknown)) })
  const kids = "\"kids\":[{\"name\":\"B\"}]"
  const parts: ReadonlyArray<readonly [string, string, string]> = [
    ["does not fit", `{"name":1,${kids}}`, "name: expected a string, found a number"],
    ["is cut off", `{"name":"A",${kids},"age":`, "it is not closed"],
    ["is cut off after an object of its own", "{\"name\":\"A\",\"kid\":{\"name\":\"B\"},\"age\":", "it is not closed"],
    [
      "is cut off, indented",
      "{\n  \"name\": \"A\",\n  \"kid\":\n    {\"name\":\"B\"},\n  \"age\":",
      "it is not closed"
    ],
    ["is cut off after a list", "{\"name\":\"A\",\"kids\":[{\"n\":1},{\"name\":\"B\"}],\"age\":", "it is not closed"],
    ["has other fields and is cut off", `{"id":1,"name":"A",${kids},"age":`, "it is not closed"],
    ["is not valid JSON", `{"name":"A", // the mother\n${kids}}`, "it is not valid JSON"],
    ["begins with a comment", `{ // the mother\n"name":"A",${kids}}`, "it is not valid JSON"],
    ["begins with a comment of another kind", `{ /* the mother */ "name":"A",${kids}}`, "it is not valid JSON"],
    [
      "is cut off, with a blank before its colons",
      "{\"name\" : \"A\",\"kid\" : {\"name\":\"B\"},\"age\" :",
      "it is not closed"
    ]
  ]
  for (const [kind, text, issue] of parts) {
    it(`takes no part of an object for the object that ${kind}`, () => {
      assert.deepStrictEqual(
        findObject(text, Person),
        Either.left(`No JSON object that fits the schema was found in the reply: ${issue}`)
      )
    })
  }

  it.each([
    ["is begun in the text before", `First \`{"name":\`, then "n".\n${object}`],
    ["is begun anew", `{"name":"A",\nOnce more:\n${object}`],
    ["opens with a name that ends on another line", `Not { "so and\nso": ${object}`],
    ["has a quote too many", `Not {"name":"5" A","n":"1"}. ${object}`]
  ])("goes past one that %s", (_, text) => {
    assert.deepStrictEqual(findObject(text, Answer), Either.right(object))
  })

  it("finds one whose first field has a long name", () => {
    const text = `{"${"a".repeat(1000)}":{"n":"1"},"b":{"n":"2"}}`
    const Translations = Schema.Record({ key: Schema.String, value: Schema.Struct({ n: Schema.String }) })
    assert.deepStrictEqual(findObject(text, Translations), Either.right(text))
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
      Either.left("No JSON object that fits the schema was found in the reply: decoding it throws RangeError")
    )
  })

  it("says what is wrong with one that only looks right, without quoting it", () => {
    assert.deepStrictEqual(
      findObject("{\"name\":\"A\",\"n\":\"SECRET\"}", Answer),
      Either.left(
        "No JSON object that fits the schema was found in the reply: n: expected NumberFromString, found a string"
      )
    )
  })

  class Cities extends Context.Tag("Cities")<Cities, ReadonlyArray<string>>() {}
  const City = Schema.transformOrFail(Schema.String, Schema.String, {
    strict: true,
    decode: (name, _, ast) =>
      Effect.flatMap(
        Effect.delay(Cities, "1 second"),
        (cities) => cities.includes(name) ? Effect.succeed(name) : Effect.fail(new ParseResult.Type(ast, name))
      ),
    encode: ParseResult.succeed
  })

  it.effect("decodes with services, in the fiber of the call", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ city: City }) as Schema.Schema<unknown, unknown, Cities>
      const text = "Not {\"city\":\"Atlantis\"}, but {\"city\":\"Rome\"}"
      const call = Effect.provideService(AiObject.findObject(text, schema), Cities, ["Rome"])
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "{\"city\":\"Rome\"}")
      const interrupted = yield* Effect.fork(Effect.timeoutOption(call, "1500 millis"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(interrupted), Option.none())
    }))

  const hostile: ReadonlyArray<readonly [string, string]> = [
    ["braces", "{"],
    ["objects that nothing closes", "{\"\":"],
    ["objects in strings that nothing closes", "{\"{\\"],
    ["short objects that do not parse", "{\"\"}"],
    ["commas", "{\"\":,"],
    ["code fences that nothing closes", "\r```\n"],
    ["objects begun in the text", "{\"a\": and "],
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
