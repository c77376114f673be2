import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as Message from "effect-gptalk/Message"

describe("Message", () => {
  const isValid = (message: unknown) => Either.isRight(Schema.decodeUnknownEither(Message.Message)(message))

  it("one message is its content as it is", () => {
    assert.strictEqual(Message.toPrompt([{ role: "user", content: "  Hi\nthere " }]), "  Hi\nthere ")
  })

  it("one system message is its content too", () => {
    assert.strictEqual(Message.toPrompt([{ role: "system", content: "Be brief." }]), "Be brief.")
  })

  it("several are a line each, and a last line for the answer", () => {
    assert.strictEqual(
      Message.toPrompt([
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello" },
        { role: "user", content: "Bye" }
      ]),
      "System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: Bye\nAssistant:"
    )
  })

  it("a role has its first letter upper-case and the rest lower-case", () => {
    assert.strictEqual(
      Message.toPrompt([{ role: "uSER", content: "a" }, { role: "ёЖИК", content: "b" }]),
      "User: a\nЁжик: b\nAssistant:"
    )
  })

  it("a first letter outside the basic plane is upper-cased too", () => {
    assert.strictEqual(
      Message.toPrompt([{ role: "𐐨B", content: "a" }, { role: "x", content: "b" }]),
      "𐐀b: a\nX: b\nAssistant:"
    )
  })

  it("line ends within a content stay", () => {
    assert.strictEqual(
      Message.toPrompt([{ role: "user", content: "a\nb" }, { role: "user", content: "c" }]),
      "User: a\nb\nUser: c\nAssistant:"
    )
  })

  it("an empty content keeps its line", () => {
    assert.strictEqual(
      Message.toPrompt([{ role: "user", content: "" }, { role: "user", content: "a" }]),
      "User: \nUser: a\nAssistant:"
    )
  })

  it("any role that is not empty is valid", () => {
    assert.isTrue(isValid({ role: "tool", content: "" }))
  })

  it("an empty role is not valid", () => {
    assert.isFalse(isValid({ role: "", content: "a" }))
  })

  it("a content that is no string is not valid", () => {
    assert.isFalse(isValid({ role: "user", content: 1 }))
  })
})
