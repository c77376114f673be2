import { assert, describe, it } from "@effect/vitest"
import { FrameDecoder } from "../../src/internal/frameDecoder.js"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const frame = (content: unknown): string => `data: ${JSON.stringify({ content })}\n`

const done = "data: [DONE]\n"

/** The deltas of each push. */
const pushAll = (decoder: FrameDecoder, ...parts: ReadonlyArray<string | Uint8Array>): Array<Array<string>> =>
  parts.map((part) => decoder.push(typeof part === "string" ? bytes(part) : part))

const decode = (...parts: ReadonlyArray<string | Uint8Array>) => {
  const decoder = new FrameDecoder(1024)
  const deltas = pushAll(decoder, ...parts).flat()
  return { deltas, decoder, outcome: decoder.outcome, text: decoder.text }
}

const isDone = { _tag: "Done" } as const

describe("FrameDecoder", () => {
  describe("frames", () => {
    it("a delta is what the new content adds to the one before", () => {
      assert.deepStrictEqual(decode(frame("При"), frame("Привет"), done).deltas, ["При", "вет"])
    })

    it("a delta is handed on as soon as its line has arrived", () => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(pushAll(decoder, "data: {\"content\":\"a\"}", "\n", "\n"), [[], ["a"], []])
    })

    it("the example of the protocol", () => {
      const { deltas, outcome } = decode(
        "data: {\"content\":\"При\"}\n\ndata: {\"content\":\"Привет\"}\n\ndata: [DONE]\n\n"
      )
      assert.deepStrictEqual([deltas, outcome], [["При", "вет"], isDone])
    })

    it("a reply without text is done without deltas", () => {
      assert.deepInclude(decode(done), { deltas: [], outcome: isDone, text: "" })
    })

    it("an empty content is a good frame without a delta", () => {
      const { decoder, deltas } = decode(frame(""), done)
      assert.deepStrictEqual([decoder.goodFrames, deltas], [1, []])
    })

    it("the same frame twice adds nothing, and is a good frame", () => {
      const { decoder, deltas } = decode(frame("a"), frame("a"), done)
      assert.deepStrictEqual([decoder.goodFrames, deltas], [2, ["a"]])
    })

    it("a content that is a prefix of what is known adds nothing", () => {
      assert.deepInclude(decode(frame("abc"), frame("a"), frame(""), frame("abcd"), done), {
        deltas: ["abc", "d"],
        outcome: isDone
      })
    })

    it("a content that contradicts what is known fails, without showing either", () => {
      const { deltas, outcome } = decode(frame("first"), frame("other"), frame("first again"), done)
      assert.deepStrictEqual(deltas, ["first"])
      assert.strictEqual(outcome?._tag, "Malformed")
      assert.notMatch(JSON.stringify(outcome), /first|other"/)
    })

    it("a content that contradicts what is known fails, also where both are parts of one buffer", () => {
      const [first, second] = [frame("a".repeat(2000)), frame("b" + "a".repeat(2000))]
      const both = bytes(first + second)
      const decoder = new FrameDecoder(4000)
      pushAll(decoder, both.subarray(0, first.length), both.subarray(first.length))
      assert.strictEqual(decoder.outcome?._tag, "Malformed")
    })

    it("a shorter content that contradicts what is known fails", () => {
      assert.strictEqual(decode(frame("abc"), frame("b"), done).outcome?._tag, "Malformed")
    })

    it("other fields and any spacing may stand beside the content", () => {
      assert.deepStrictEqual(
        decode("data: \t{ \"id\" : {\"content\":\"no\"} ,\t\"content\" : \"yes\" , \"code\":0,\"n\":[1] } \n", done)
          .deltas,
        ["yes"]
      )
    })

    it("of two contents in one frame the last counts, as JSON has it", () => {
      assert.deepStrictEqual(decode("data: {\"content\":\"a\",\"content\":\"b\"}\n", done).deltas, ["b"])
    })

    it("escapes of every kind are text", () => {
      assert.deepStrictEqual(
        decode("data: {\"content\":\"\\u041f\\n\\t\\\"\\\\\\/\\b\\f\\r\\u0000\"}\n", done).deltas,
        ["П\n\t\"\\/\b\f\r\u0000"]
      )
    })

    it("a name that is written with escapes is the same name", () => {
      assert.deepStrictEqual(decode("data: {\"c\\u006fntent\":\"a\"}\n", done).deltas, ["a"])
    })

    it("a growing content is compared as text, not as it was written", () => {
      assert.deepStrictEqual(
        decode("data: {\"content\":\"\\u041f\"}\n", "data: {\"content\":\"Пр\"}\n", done).deltas,
        ["П", "р"]
      )
    })
  })

  describe("lines", () => {
    it.each([["LF", "\n"], ["CRLF", "\r\n"], ["CR", "\r"]])("%s ends a line", (_, end) => {
      const stream = ["data: {\"content\":\"a\"}", "", "data: {\"content\":\"ab\"}", "data: [DONE]", ""].join(end)
      assert.deepInclude(decode(stream), { deltas: ["a", "b"], outcome: isDone })
    })

    it("CRLF cut in two is one line end, and the CR hands the delta on", () => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(
        pushAll(decoder, "data: {\"content\":\"a\"}\r", "\ndata: {\"content\":\"ab\"}\r", "\n"),
        [["a"], ["b"], []]
      )
    })

    it("an empty chunk between CR and LF changes nothing", () => {
      assert.deepInclude(decode("data: {\"content\":\"a\"}\r", "", "\ndata: {\"content\":\"ab\"}\r\n", done), {
        deltas: ["a", "b"],
        outcome: isDone
      })
    })

    it("no blank line is needed between frames", () => {
      assert.deepStrictEqual(decode(frame("a") + frame("ab") + done).deltas, ["a", "b"])
    })

    it("the space after data: may be missing", () => {
      assert.deepInclude(decode("data:{\"content\":\"a\"}\ndata:[DONE]\n"), { deltas: ["a"], outcome: isDone })
    })

    it.each([
      ["blank", ""],
      ["a comment", ": keepalive"],
      ["event", "event: message"],
      ["id", "id: 1"],
      ["retry", "retry: 10"],
      ["data without a colon", "data"],
      ["data in capitals", "DATA: {\"content\":\"x\"}"],
      ["a longer name", "database: {\"content\":\"x\"}"],
      ["a space before data", " data: {\"content\":\"x\"}"],
      ["bare JSON", "{\"content\":\"x\"}"],
      ["bare [DONE]", "[DONE]"],
      ["an empty data line", "data:"],
      ["a data line of spaces", "data:   "],
      ["a comment in a data line", "data: : keepalive"],
      ["a comment that quotes the end", ": data: [DONE]"]
    ])("%s means nothing", (_, line) => {
      const { decoder, deltas, outcome } = decode(frame("a"), `${line}\n`, frame("ab"), done)
      assert.deepStrictEqual([deltas, outcome, decoder.goodFrames, decoder.passedOver], [["a", "b"], isDone, 2, []])
    })

    it("a byte order mark at the start is no part of the first line", () => {
      assert.deepInclude(decode("\ufeff" + frame("a") + done), { deltas: ["a"], outcome: isDone })
    })

    it("a byte order mark that is cut is one too", () => {
      const [first, second, third] = bytes("\ufeff")
      assert.deepStrictEqual(
        decode(Uint8Array.of(first!), Uint8Array.of(second!), Uint8Array.of(third!), frame("a"), done).deltas,
        ["a"]
      )
    })

    it("a byte order mark within a text is text", () => {
      assert.deepStrictEqual(decode(frame("\ufeffa"), done).deltas, ["\ufeffa"])
    })

    it("line separators of Unicode do not end a line", () => {
      assert.deepStrictEqual(decode(frame("a\u2028b\u2029c\u0085d"), done).deltas, ["a\u2028b\u2029c\u0085d"])
    })
  })

  describe("the end", () => {
    it("after [DONE] nothing counts", () => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(pushAll(decoder, frame("a") + done + frame("ab"), frame("abc")), [["a"], []])
      assert.deepStrictEqual([decoder.text, decoder.goodFrames], ["a", 1])
    })

    it("anything may follow [DONE] on its line", () => {
      assert.deepStrictEqual(decode("data: [DONE] {\"content\":\"a\"}\n").outcome, isDone)
    })

    it("[DONE] has no need of a line end", () => {
      assert.deepInclude(decode(frame("a"), "data: [DONE]"), { deltas: ["a"], outcome: isDone })
    })

    it("[DONE] is known before its line ends, and whatever follows on it", () => {
      const decoder = new FrameDecoder(1024)
      decoder.push(bytes("data: [DONE"))
      assert.isUndefined(decoder.outcome)
      decoder.push(bytes("]"))
      assert.deepStrictEqual(decoder.outcome, isDone)
      assert.deepStrictEqual(decode("data: [DONE] ", new Uint8Array([0xff, 0x0a])).outcome, isDone)
    })

    it.each(["data:\t[DONE]", `data:${" ".repeat(20)}[DONE]`, "\ufeffdata: [DONE]"])(
      "[DONE] has no need of a line end as %j",
      (line) => {
        assert.deepStrictEqual(decode(line).outcome, isDone)
      }
    )

    it("nor has one that is not the first line", () => {
      assert.deepStrictEqual(decode(frame("a"), "data:\t[DONE]").outcome, isDone)
    })

    it("anything may follow [DONE] on its line, and many blanks come before it", () => {
      assert.deepStrictEqual(decode(`data:${" ".repeat(40)}[DONE] x\n`).outcome, isDone)
    })

    it("a last frame without a line end does not count", () => {
      assert.deepInclude(decode(frame("a"), "data: {\"content\":\"ab\"}"), {
        deltas: ["a"],
        text: "a",
        outcome: undefined
      })
    })

    it.each([1, 40, 2000])("[DONE] and %s spaces behind it in one piece end the reply, without a line end", (count) => {
      const decoder = new FrameDecoder(4000)
      assert.deepStrictEqual(pushAll(decoder, `${frame("a")}data: [DONE]${" ".repeat(count)}`), [["a"]])
      assert.deepStrictEqual(decoder.outcome, isDone)
    })

    it("without [DONE] there is no outcome", () => {
      assert.isUndefined(decode(frame("a")).outcome)
    })

    it("[DONE] within a text ends nothing", () => {
      assert.deepInclude(decode(frame("[DONE]"), frame("[DONE] data: [DONE]\n"), done), {
        deltas: ["[DONE]", " data: [DONE]\n"],
        outcome: isDone
      })
    })
  })

  describe("surrogates", () => {
    const [high, low] = ["\ud83d", "\ude00"]

    it("half of a pair waits for the other half", () => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(
        pushAll(decoder, frame(`a${high}`), frame(`a${high}`), frame("a😀"), frame("a😀b")),
        [["a"], [], ["😀"], ["b"]]
      )
    })

    it.each(["\u{10000}", "\u{10ffff}"])("the first half of %j waits too", (pair) => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(pushAll(decoder, frame(pair.charAt(0)), frame(pair)), [[], [pair]])
    })

    it("half of a pair that is a whole content waits", () => {
      const decoder = new FrameDecoder(1024)
      assert.deepStrictEqual(pushAll(decoder, frame(high), frame("😀!")), [[], ["😀!"]])
    })

    it("half of a pair at the end of a reply is U+FFFD", () => {
      assert.deepInclude(decode(frame(`a${high}`), done), { deltas: ["a", "\ufffd"], outcome: isDone })
    })

    it("half of a pair before the end of a reply without a line end is U+FFFD", () => {
      assert.deepInclude(decode(frame(`a${high}`), "data: [DONE]"), { deltas: ["a", "\ufffd"], outcome: isDone })
    })

    it("half of a pair of an unfinished reply is not handed on", () => {
      assert.deepStrictEqual(decode(frame(`a${high}`)).deltas, ["a"])
    })

    it("half of a pair that something else follows is U+FFFD", () => {
      assert.deepStrictEqual(decode(frame(`a${high}`), frame(`a${high}b`), done).deltas, ["a", "\ufffdb"])
    })

    it("half of a pair within a content is U+FFFD", () => {
      assert.deepStrictEqual(decode(frame(`a${high}b${low}c`), done).deltas, ["a\ufffdb\ufffdc"])
    })

    it("the second half alone is U+FFFD", () => {
      assert.deepStrictEqual(decode(frame(low), done).deltas, ["\ufffd"])
    })

    it("a first half after a first half waits", () => {
      assert.deepStrictEqual(decode(frame(high), frame(high + high), frame(`${high}😀`), done).deltas, ["\ufffd", "😀"])
    })
  })

  describe("frames that cannot be used", () => {
    it.each([
      ["cut JSON", "data: {\"content\":\"se"],
      ["no JSON", "data: secret"],
      ["a content that is no string", "data: {\"content\":{\"secret\":1}}"],
      ["a raw control character in a string", "data: {\"content\":\"secret\u0001\"}"],
      ["text after the JSON", "data: {\"content\":\"secret\"} secret"]
    ])("%s is passed over when a good frame follows", (_, line) => {
      const { decoder, deltas, outcome } = decode(frame("a"), `${line}\n`, frame("abc"), done)
      assert.deepStrictEqual([deltas, outcome], [["a", "bc"], isDone])
      assert.strictEqual(decoder.passedOver.length, 1)
      assert.notInclude(decoder.passedOver[0], "secret")
    })

    it("bytes that are no UTF-8 are passed over when a good frame follows", () => {
      const bad = Uint8Array.of(...bytes("data: {\"content\":\"a"), 0xff, ...bytes("\"}\n"))
      const { decoder, deltas, outcome } = decode(frame("a"), bad, frame("abc"), done)
      assert.deepStrictEqual([deltas, outcome, decoder.passedOver.length], [["a", "bc"], isDone, 1])
    })

    it("a frame that goes on from an unreadable one is unreadable too", () => {
      const unreadable = "data: {\"content\":\"ab\u0001"
      const { deltas, outcome } = decode(frame("a"), `${unreadable}"}\n`, `${unreadable}c"}\n`, done)
      assert.deepStrictEqual([deltas, outcome?._tag], [["a"], "Malformed"])
    })

    it("an unreadable frame right before [DONE] fails", () => {
      const { deltas, outcome } = decode(frame("a"), "data: {\"content\":\"secret\n", done)
      assert.deepStrictEqual([deltas, outcome?._tag], [["a"], "Malformed"])
      assert.notInclude(JSON.stringify(outcome), "secret")
    })

    it("a repeated frame after an unreadable one is good enough", () => {
      assert.deepStrictEqual(decode(frame("a"), "data: {\n", frame("a"), done).outcome, isDone)
    })

    it("a line without meaning after an unreadable frame does not heal it", () => {
      assert.strictEqual(decode(frame("a"), "data: {\n", "data: {\"id\":1}\n: x\n\n", done).outcome?._tag, "Malformed")
    })
  })

  describe("maxFrameSize", () => {
    const line = "data: {\"content\":\"abcdef\"}"

    it("a line of exactly that size is read", () => {
      const decoder = new FrameDecoder(line.length)
      assert.deepStrictEqual(pushAll(decoder, `${line}\n`), [["abcdef"]])
    })

    it("a larger line fails", () => {
      const decoder = new FrameDecoder(line.length - 1)
      assert.deepStrictEqual(pushAll(decoder, `${line}\n`), [[]])
      assert.strictEqual(decoder.outcome?._tag, "Malformed")
    })

    it("a line fails as soon as it is too large, before its end has come", () => {
      const decoder = new FrameDecoder(8)
      pushAll(decoder, "data", ": abc", "d")
      assert.strictEqual(decoder.outcome?._tag, "Malformed")
    })

    it("what came before the line that is too large is handed on", () => {
      const decoder = new FrameDecoder(line.length)
      assert.deepStrictEqual(pushAll(decoder, `${line}\n${line} ${line}\n`), [["abcdef"]])
    })

    it("a line that grows too large fails, though most of it was there before", () => {
      const decoder = new FrameDecoder(line.length)
      assert.deepStrictEqual(pushAll(decoder, `${line}\n`, frame("abcdefg")), [["abcdef"], []])
      assert.strictEqual(decoder.outcome?._tag, "Malformed")
    })

    it("counts bytes, not characters", () => {
      const decoder = new FrameDecoder("data: {\"content\":\"ПП\"}".length)
      pushAll(decoder, frame("ПП"))
      assert.strictEqual(decoder.outcome?._tag, "Malformed")
    })

    it("is no limit to a whole reply", () => {
      const decoder = new FrameDecoder(line.length)
      for (let count = 0; count < 100; count++) decoder.push(bytes(`${line}\n\n`))
      assert.strictEqual(decoder.goodFrames, 100)
    })
  })
})
