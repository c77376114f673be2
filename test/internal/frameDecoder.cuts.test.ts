import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { FrameDecoder } from "../../src/internal/frameDecoder.js"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("FrameDecoder, for all replies and all cuts", () => {
  const lineEnd = fc.constantFrom("\n", "\r\n", "\r")
  const noise = fc.constantFrom(
    "",
    ": keepalive",
    "event: x",
    "data:",
    "data: : keepalive",
    "data: {\"content\":\"",
    "id: 1"
  )
  const character = fc.constantFrom("a", "П", "😀", "\ud83d", "\ude00", "\n", "\"", "\\", "\u2028", "\ufeff")
  /** JSON as it is, or with all but ASCII escaped. */
  const escaped = (json: string) =>
    json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

  const stream = fc.record({
    additions: fc.array(fc.string({ unit: character, maxLength: 6 }), { maxLength: 8 }),
    ends: fc.infiniteStream(lineEnd),
    noises: fc.infiniteStream(fc.option(noise)),
    escapes: fc.infiniteStream(fc.boolean()),
    hasMark: fc.boolean()
  }).map(({ additions, ends, escapes, hasMark, noises }) => {
    const take = <A>(values: IterableIterator<A>): A => values.next().value!
    let content = ""
    let text = hasMark ? "\ufeff" : ""
    for (const addition of additions) {
      content += addition
      const json = JSON.stringify({ content })
      const between = take(noises)
      if (between !== null) text += between + take(ends)
      text += `data: ${take(escapes) ? escaped(json) : json}${take(ends)}`
    }
    return { whole: content.replace(/\p{Surrogate}/gu, "\ufffd"), bytes: bytes(`${text}data: [DONE]${take(ends)}`) }
  })

  const decodeCut = (stream: Uint8Array, cuts: ReadonlyArray<number>) => {
    const decoder = new FrameDecoder(4096)
    const deltas: Array<string> = []
    let start = 0
    for (const cut of [...cuts].map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b)) {
      deltas.push(...decoder.push(stream.slice(start, cut)))
      start = cut
    }
    deltas.push(...decoder.push(stream.slice(start)))
    return { deltas, outcome: decoder.outcome, passedOver: [...decoder.passedOver], goodFrames: decoder.goodFrames }
  }

  it("the cuts change nothing", () => {
    fc.assert(fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), ({ bytes }, cuts) => {
      assert.deepStrictEqual(decodeCut(bytes, cuts), decodeCut(bytes, []))
    }))
  })

  it("nor does a cut after every byte", () => {
    fc.assert(fc.property(stream, ({ bytes }) => {
      assert.deepStrictEqual(decodeCut(bytes, Array.from(bytes, (_, index) => index)), decodeCut(bytes, []))
    }))
  })

  it("the deltas, joined, are the longest content, each of them well-formed and not empty", () => {
    fc.assert(fc.property(stream, ({ bytes, whole }) => {
      const { deltas, outcome } = decodeCut(bytes, [])
      assert.deepStrictEqual([deltas.join(""), outcome], [whole, { _tag: "Done" }])
      assert.isTrue(deltas.every((delta) => delta !== "" && !/\p{Surrogate}/u.test(delta)))
    }))
  })
})
