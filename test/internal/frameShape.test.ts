import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { FrameDecoder } from "../../src/internal/frameDecoder.js"
import { FrameShape } from "../../src/internal/frameShape.js"
import * as Reference from "../utils/referenceDecoder.js"

const utf8 = new TextEncoder()

const run = (bytes: Uint8Array, cuts: ReadonlyArray<number>) => {
  const decoder = new FrameDecoder(1 << 24)
  const deltas: Array<string> = []
  let start = 0
  for (const cut of [...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)) {
    deltas.push(...decoder.push(bytes.subarray(start, cut)))
    start = cut
  }
  deltas.push(...decoder.push(bytes.subarray(start)))
  for (const delta of deltas) {
    assert.notStrictEqual(delta, "")
    assert.isFalse(/\p{Surrogate}/u.test(delta))
  }
  return {
    deltas: deltas.join(""),
    outcome: decoder.outcome?._tag,
    text: decoder.text,
    goodFrames: decoder.goodFrames
  } satisfies Reference.Reference
}

const agrees = (bytes: Uint8Array, cuts: ReadonlyArray<number> = []) =>
  assert.deepStrictEqual(run(bytes, cuts), Reference.decode(bytes))

/** Pieces of text with which a seam can go wrong. */
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "abcdefghijklmnopqrstuvwxyz0123456789", "Привет, ", "👋", "\n", "\"") },
  fc.constantFrom(
    "\\",
    "\ufeff",
    "\ud83d",
    "\udc4b",
    "\u0000",
    "\t",
    "\u007f",
    "é",
    "\"content",
    "content\"",
    "\",\"content\":\""
  ),
  fc.constantFrom("}", "\"}", "{", "[DONE]", "\\u0041", "\u2028", "data: ", " ", "\r"),
  fc.string({ unit: "binary", maxLength: 8 })
)

/** How a content is spelled in JSON. */
const spell = fc.constantFrom<(text: string) => string>(
  (text) => JSON.stringify(text),
  (text) =>
    `"${
      Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`)
        .join("")
    }"`,
  (text) => JSON.stringify(text).replace(/[^\x00-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
  (text) => JSON.stringify(text).replaceAll("/", "\\/")
)

/** What stands around the content, some of it out to be taken for something else. `#` is a number that changes. */
const around = fc.constantFrom<readonly [string, string]>(
  ["data: {\"content\":", "}"],
  ["data:{\"content\":", "}"],
  ["data: { \"content\" : ", " } "],
  ["data: {\"id\":#,\"content\":", "}"],
  ["data: {\"content\":", ",\"id\":#}"],
  ["data: {\"role\":\"assistant\",\"content\":", ",\"finish\":null}"],
  ["data: {\"content\":\"no\",\"content\":", "}"],
  ["data: {\"content\":", ",\"content\":\"no\"}"],
  ["data: {\"a\":{\"content\":\"x\"},\"content\":", "}"],
  ["data: {\"content\":", ",\"a\":{\"content\":\"x\"}}"],
  ["data: {\"\\u0063ontent\":", "}"],
  ["data: {\"content\":", ",\"\\u0063ontent\":\"no\"}"],
  ["data: {\"a\":{\"content\":", "}}"],
  ["data: {\"\\u0063ontent\":\"no\",\"a\":{\"content\":", "}}"],
  ["data: {\"x\":\"content\",\"content\":", "}"],
  ["data: {\"x\":\"\\\\\",\"content\":", "}"],
  ["data: {\"é\":1,\"content\":", ",\"é\":2}"],
  ["data: [{\"content\":", "}]"],
  ["data: {\"content\":[", "]}"],
  ["\ufeffdata: {\"content\":", "}"],
  ["id: {\"content\":", "}"],
  ["data: \u00a0{\"content\":", "}\u00a0"],
  ["data: {\"content\":", "} x"],
  ["data: {\"content\":", ""]
)

const otherLine = fc.constantFrom(
  "",
  ": keepalive",
  "data:",
  "data: : keepalive",
  "event: x",
  "data: {}",
  "data: nonsense",
  "data: {\"content\":1}",
  "data: {\"code\":500}",
  "data: [DONE]",
  "data: [DONE] and more"
)

const lineEnd = fc.constantFrom("\n", "\r\n", "\r", "\n\n")

/** A stream of frames that mostly grow, as bytes, with a byte here and there that is not UTF-8 or was changed. */
const stream = fc.record({
  pieces: fc.array(piece, { minLength: 1, maxLength: 8 }),
  common: around,
  commonSpelling: spell,
  steps: fc.array(
    fc.record({
      kind: fc.constantFrom(
        "grow",
        "grow",
        "grow",
        "grow",
        "repeat",
        "shrink",
        "other",
        "raw",
        "contradict",
        "growRaw"
      ),
      around: fc.option(around, { freq: 4 }),
      spelling: fc.option(spell, { freq: 4 }),
      other: otherLine,
      end: fc.option(lineEnd, { freq: 5 })
    }),
    { maxLength: 12 }
  ),
  lineEnd,
  flip: fc.option(
    fc.tuple(fc.nat(), fc.constantFrom(0x00, 0x09, 0x22, 0x5c, 0x80, 0xc3, 0xe1, 0xff, 0x7f, 0x0a, 0x20)),
    { freq: 4 }
  )
}).map(({ common, commonSpelling, flip, lineEnd, pieces, steps }) => {
  let length = 0
  let counter = 0
  const lines = steps.map((step) => {
    if (step.kind === "other") return step.other + (step.end ?? lineEnd)
    if (step.kind === "grow" || step.kind === "growRaw") length++
    const from = step.kind === "shrink" ? Math.max(0, length - 2) : length
    const text = (step.kind === "contradict" ? "x" : "") +
      Array.from({ length: from }, (_, index) => pieces[index % pieces.length]!).join("")
    const [before, after] = (step.around ?? common).map((part) => part.replace("#", String(counter++)))
    const value = step.kind === "raw" || step.kind === "growRaw" ? `"${text}"` : (step.spelling ?? commonSpelling)(text)
    return before + value + after + (step.end ?? lineEnd)
  })
  const bytes = utf8.encode(lines.join(""))
  if (flip !== null && bytes.length > 0) bytes[flip[0] % bytes.length] = flip[1]
  return bytes
})

/** The bytes that are written as characters up to U+00FF. */
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** What a shape that has learned one line says of the next. */
const next = (first: string, second: string | Uint8Array): string | undefined => {
  const shape = new FrameShape()
  shape.learn(utf8.encode(first))
  const line = typeof second === "string" ? utf8.encode(second) : second
  return shape.continuation(line, shape.match(line, new DataView(line.buffer), 0), line.length)
}

describe("FrameShape", () => {
  it.each([
    ["plain text", "data: {\"content\":\"a\"}", "data: {\"content\":\"ab\"}", "b"],
    ["a repeat", "data: {\"content\":\"a\"}", "data: {\"content\":\"a\"}", ""],
    ["text after an escaped quote", "data: {\"content\":\"\\\"a\"}", "data: {\"content\":\"\\\"ab\"}", "b"],
    ["an escape in what is new", "data: {\"content\":\"a\"}", "data: {\"content\":\"a\\n\\u0041\"}", "\nA"],
    ["a byte order mark in the text", "data: {\"content\":\"a\"}", "data: {\"content\":\"a\ufeffb\"}", "\ufeffb"],
    ["fields around", "data: {\"a\":1,\"content\":\"a\",\"b\":2} ", "data: {\"a\":1,\"content\":\"ab\",\"b\":2} ", "b"],
    [
      "more bytes than are compared at once",
      `data: {"content":"${"é".repeat(99)}"}`,
      `data: {"content":"${"é".repeat(99)}👋"}`,
      "👋"
    ]
  ])("knows a continuation: %s", (_, first, second, expected) => {
    assert.strictEqual(next(first, second), expected)
  })

  it.each([
    ["text that ends with an escape cut short", "data: {\"content\":\"a\"}", "data: {\"content\":\"ab\\\"}"],
    [
      "text that ends with a character cut short",
      "data: {\"content\":\"a\"}",
      latin1("data: {\"content\":\"ab\xc3\"}")
    ],
    ["a byte in more bytes than it needs", "data: {\"content\":\"a\"}", latin1("data: {\"content\":\"a\xc1\x81\"}")],
    ["a first byte without its second", "data: {\"content\":\"a\"}", latin1("data: {\"content\":\"a\xc3A\"}")],
    [
      "the first two bytes of a character of three",
      "data: {\"content\":\"a\"}",
      latin1("data: {\"content\":\"a\xe0\xa0\"}")
    ],
    ["two bytes of a character of three", "data: {\"content\":\"a\"}", latin1("data: {\"content\":\"a\xe1\x80\"}")],
    ["a control character", "data: {\"content\":\"a\"}", "data: {\"content\":\"a\t\"}"],
    ["a line that lacks the last quote", "data: {\"content\":\"a\\\"\"}", "data: {\"content\":\"a\\\"}"]
  ])("knows what is no continuation: %s", (_, first, second) => {
    assert.isUndefined(next(first, second))
  })

  it("reads a stream as if every frame was parsed, whatever the frames and the cuts", () => {
    fc.assert(fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), agrees), { numRuns: 20_000 })
  })

  it("reads what a frame adds as if the frame was parsed, whatever its bytes", () => {
    const before = utf8.encode("data: {\"content\":\"a\"}\ndata: {\"content\":\"a")
    const after = utf8.encode("\"}\n")
    const byte = fc.constantFrom(...latin1("\x09\x1f \"An\\u0041\x7f\x80\xa1\xbb\xbf\xc1\xc3\xdf\xe1\xed\xef\xf0\xff"))
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 2 }),
        (added, cuts) => agrees(Uint8Array.of(...before, ...added, ...after), cuts)
      ),
      { numRuns: 20_000 }
    )
  })

  it("reads any bytes as if every frame was parsed", () => {
    const noise = fc.array(
      fc.oneof(
        fc.constantFrom("data:", "{\"content\":\"", "\"}", "\n", "\r", "[DONE]", "a"),
        fc.string({ unit: "binary" })
      ),
      { maxLength: 40 }
    ).map((parts) => utf8.encode(parts.join("")))
    fc.assert(fc.property(noise, fc.array(fc.nat(), { maxLength: 5 }), agrees), { numRuns: 5_000 })
  })
})
