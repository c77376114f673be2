import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Prompt from "@effect/ai/Prompt"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { says } from "./utils/mockGPTalk.js"

const Answer = Schema.Struct({ name: Schema.String, age: Schema.NumberFromString })

const generateAnswer = LanguageModel.generateObject({ prompt: "Who?", schema: Answer, objectName: "person" })

const messagesOf = (prompt: Prompt.RawInput) => {
  const { model, requests } = says("ok")
  return LanguageModel.generateText({ prompt }).pipe(
    Effect.provide(model),
    Effect.map(() => requests[0]!.messages)
  )
}

describe("GPTalkLanguageModel", () => {
  describe("prompts", () => {
    it.effect("keeps roles and order, and joins the text parts of a message by lines", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* messagesOf([
            { role: "system", content: "Be brief." },
            { role: "user", content: [{ type: "text", text: "One" }, { type: "text", text: "Two" }] },
            { role: "assistant", content: "Three" },
            { role: "user", content: "Four" }
          ]),
          [
            { role: "system", content: "Be brief." },
            { role: "user", content: "One\nTwo" },
            { role: "assistant", content: "Three" },
            { role: "user", content: "Four" }
          ]
        )
      }))

    it.effect("leaves out thoughts, and messages of nothing else", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* messagesOf([
            { role: "assistant", content: [{ type: "reasoning", text: "Hm." }] },
            { role: "assistant", content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "Yes" }] },
            { role: "user", content: "Why?" }
          ]),
          [{ role: "assistant", content: "Yes" }, { role: "user", content: "Why?" }]
        )
      }))

    it.effect("keeps a message whose text is empty", () =>
      Effect.gen(function*() {
        const messages = [
          { role: "system", content: "" },
          { role: "user", content: "" },
          { role: "assistant", content: "What?" }
        ] as const
        assert.deepStrictEqual(yield* messagesOf(messages), messages)
      }))

    const call = { type: "tool-call", id: "1", name: "clock", params: {}, providerExecuted: false } as const
    const result = {
      type: "tool-result",
      id: "1",
      name: "clock",
      isFailure: false,
      result: 1,
      providerExecuted: false
    } as const
    const unsupported: ReadonlyArray<readonly [string, Prompt.RawInput, RegExp]> = [
      [
        "a file",
        [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: new Uint8Array(1) }] }],
        /text only.*file/
      ],
      [
        "a file of the assistant",
        [{ role: "assistant", content: [{ type: "file", mediaType: "image/png", data: "AA==" }] }],
        /text only.*file/
      ],
      ["a tool call", [{ role: "assistant", content: [call] }], /no tools.*tool-call/],
      ["a tool result", [{ role: "tool", content: [result] }], /no tools.*tool-result/],
      ["no message", Prompt.empty, /no text/],
      ["no text", [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }], /no text/]
    ]
    for (const [kind, prompt, description] of unsupported) {
      it.effect(`is MalformedInput for a prompt with ${kind}`, () =>
        Effect.gen(function*() {
          const { model, requests } = says("ok")
          const [generated, streamed] = yield* Effect.all([
            Effect.flip(LanguageModel.generateText({ prompt })),
            Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt })))
          ]).pipe(Effect.provide(model))
          assert.deepStrictEqual([generated.method, streamed.method], ["generateText", "streamText"])
          for (const error of [generated, streamed]) {
            assert.deepInclude(error, { _tag: "MalformedInput", module: "GPTalkLanguageModel" })
            assert.match(error._tag === "MalformedInput" ? error.description! : "", description)
          }
          assert.strictEqual(requests.length, 0)
        }))
    }

    it.effect("is MalformedInput for a toolkit", () =>
      Effect.gen(function*() {
        const { model, requests } = says("ok")
        const toolkit = Toolkit.make(Tool.make("Clock", { success: Schema.Number }))
        const tools = toolkit.toLayer({ Clock: () => Effect.succeed(1) })
        const [generated, streamed] = yield* Effect.all([
          Effect.flip(LanguageModel.generateText({ prompt: "Hi", toolkit })),
          Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi", toolkit })))
        ]).pipe(Effect.provide([model, tools]))
        for (const error of [generated, streamed]) {
          assert.strictEqual(error._tag, "MalformedInput")
          assert.match(error._tag === "MalformedInput" ? error.description! : "", /no tools.*Clock/)
        }
        assert.strictEqual(requests.length, 0)
      }))

    it.effect.each(["none", { oneOf: [] }] as const)(
      "is none for a toolkit of which no tool may be called: %j",
      (toolChoice) =>
        Effect.gen(function*() {
          const toolkit = Toolkit.make(Tool.make("Clock", { success: Schema.Number }))
          const { text } = yield* LanguageModel.generateText({ prompt: "Hi", toolkit, toolChoice }).pipe(
            Effect.provide([says("ok").model, toolkit.toLayer({ Clock: () => Effect.succeed(1) })])
          )
          assert.strictEqual(text, "ok")
        })
    )
  })

  describe("generateObject", () => {
    const object = "{\"name\":\"Ada\",\"age\":\"36\"}"
    const replies: ReadonlyArray<readonly [string, string]> = [
      ["alone", object],
      ["between blanks", `\n ${object}\n`],
      ["over several lines", JSON.stringify(JSON.parse(object), null, 2)],
      ["in a code fence", `\`\`\`json\n${object}\n\`\`\``],
      ["in a code fence without a language, in text", `Here it is:\n\`\`\`\n${object}\n\`\`\`\nAnything else?`],
      ["in text", `Sure! ${object} Does {that} help?`],
      ["after the schema", `{"type":"object"} describes ${object}`],
      ["after a brace that nothing closes", `{ is a brace. ${object}`],
      ["with braces in its strings", "The answer: {\"name\":\"}{ \\\" {\",\"age\":\"36\"} (a brace: })"]
    ]
    for (const [kind, text] of replies) {
      it.effect(`reads an object ${kind}`, () =>
        Effect.gen(function*() {
          const { value } = yield* generateAnswer.pipe(Effect.provide(says(text).model))
          assert.strictEqual(value.age, 36)
        }))
    }

    it.effect("asks for it with the schema, after the prompt", () =>
      Effect.gen(function*() {
        const { model, requests } = says(object)
        yield* generateAnswer.pipe(Effect.provide(model))
        const messages = requests[0]!.messages!
        assert.deepStrictEqual(messages[0], { role: "user", content: "Who?" })
        assert.strictEqual(messages[1]!.role, "system")
        assert.include(messages[1]!.content, "\"person\"")
        assert.include(messages[1]!.content, "\"required\":[\"name\",\"age\"]")
      }))

    for (
      const [kind, text] of [
        ["text only", "I do not know a SECRET."],
        ["an object that does not fit", "{\"name\":\"SECRET\",\"age\":36}"],
        ["an object that only looks right", "{\"name\":\"Ada\",\"age\":\"SECRET\"}"],
        ["an object that is not closed", "{\"name\":\"SECRET\""],
        ["nothing but braces", "{".repeat(100_000)]
      ] as const
    ) {
      it.effect(`is MalformedOutput, without a word of the reply, for ${kind}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(generateAnswer.pipe(Effect.provide(says(text).model)))
          assert.strictEqual(error._tag, "MalformedOutput")
          assert.strictEqual(error.method, "generateObject")
          assert.notInclude(Cause.pretty(Cause.fail(error)), "SECRET")
        }))
    }

    it.effect("is MalformedInput for a schema that JSON Schema cannot say", () =>
      Effect.gen(function*() {
        const { model, requests } = says(object)
        const schema = Schema.Struct({ size: Schema.BigIntFromSelf })
        const error = yield* Effect.flip(
          LanguageModel.generateObject({ prompt: "Who?", schema }).pipe(Effect.provide(model))
        )
        assert.strictEqual(error._tag, "MalformedInput")
        assert.strictEqual(error.method, "generateObject")
        assert.match(error._tag === "MalformedInput" ? error.description! : "", /JSON Schema: .*"size"/)
        assert.strictEqual(requests.length, 0)
      }))
  })
})
