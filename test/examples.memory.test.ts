import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { recent, type Turn } from "../examples/chat/memory.js"

const turn = (question: string, reply: string): Turn => ({ question, reply })

const sizeOf = (turns: ReadonlyArray<Turn>) => turns.map(({ question, reply }) => question + reply).join("").length

const name = turn("My name is Ada.", "Hello, Ada.")
const long = turn("Tell me all.", `It began so.${"x".repeat(40_000)}And so it ended.`)

describe("the memory of a conversation", () => {
  it("is all that was said, as long as that fits", () => {
    const turns = [name, turn("q".repeat(7000), "r".repeat(8900))]
    assert.deepStrictEqual(recent(turns), turns)
    const most = [turn("q".repeat(7000), "r".repeat(9000))]
    assert.deepStrictEqual(recent(most), most)
  })

  it("leaves out the oldest turns first", () => {
    const turns = ["a", "b", "c", "d", "e"].map((letter) => turn(letter, letter.repeat(4999)))
    assert.deepStrictEqual(recent(turns), turns.slice(2))
  })

  it("leaves out and cuts none that still fits", () => {
    const half = turn("q", "r".repeat(7999))
    assert.deepStrictEqual(recent([name, half, half]), [half, half])
  })

  it("cuts no more of a long question than its reply needs, and no more than half beside a long reply", () => {
    const question = "q".repeat(40_000)
    assert.isAbove(sizeOf(recent([turn(question, "Yes.")])), 7990)
    assert.isAbove(recent([turn(question, question)])[0]!.question.length, 3990)
  })

  it("keeps a short turn before a long one, of which it keeps beginning and end", () => {
    const [first, second, ...rest] = recent([name, long])
    assert.deepStrictEqual([first, rest], [name, []])
    assert.strictEqual(second!.question, long.question)
    assert.match(second!.reply, /^It began so\.x+\n…\nx+And so it ended\.$/)
  })

  it("keeps the reply to a long question", () => {
    const [, last] = recent([name, turn("q".repeat(40_000), "Yes.")])
    assert.strictEqual(last!.reply, "Yes.")
    assert.match(last!.question, /^q+\n…\nq+$/)
  })

  it("holds its limit, the latest turn and whole characters, whatever was said", () => {
    const text = fc.tuple(fc.constantFrom("", "a"), fc.integer({ min: 0, max: 9000 })).map(
      ([first, length]) => first + "🙂".repeat(length)
    )
    fc.assert(fc.property(fc.array(fc.record({ question: text, reply: text }), { minLength: 1 }), (turns) => {
      const kept = recent(turns)
      assert.isAtMost(sizeOf(kept), 16_000)
      assert.isAtLeast(kept.length, 1)
      assert.strictEqual(kept.at(-1)!.reply.slice(0, 9), turns.at(-1)!.reply.slice(0, 9))
      assert.notMatch(JSON.stringify(kept), /\\ud[89a-f]/)
    }))
  })
})
