import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { doneFrame, errorFrame, FrameEncoder } from "../../src/internal/frameEncoder.js"

const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes)

const add = (encoder: FrameEncoder, delta: string): Uint8Array => {
  encoder.add(delta)
  return encoder.take()
}

const frames = (...deltas: ReadonlyArray<string>): ReadonlyArray<string> => {
  const encoder = new FrameEncoder()
  return deltas.map((delta) => decode(add(encoder, delta)))
}

const content = (frame: string): string => JSON.parse(frame.slice("data: ".length)).content

describe("FrameEncoder", () => {
  it("each frame holds the whole text so far", () => {
    assert.deepStrictEqual(frames("При", "вет"), [
      "data: {\"content\":\"При\"}\n\n",
      "data: {\"content\":\"Привет\"}\n\n"
    ])
  })

  it("a frame is one line, whatever the text", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.string({ unit: "binary", minLength: 1 })), (deltas) => {
        for (const frame of frames(...deltas)) assert.match(frame, /^data: [^\r\n]*\n\n$/)
      })
    )
  })

  it("a frame's content is the deltas, joined", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.string({ unit: "binary", minLength: 1 })), (deltas) => {
        assert.deepStrictEqual(
          frames(...deltas).map(content),
          deltas.map((_, index) => deltas.slice(0, index + 1).join(""))
        )
      })
    )
  })

  it("a delta without text makes no frame", () => {
    assert.deepStrictEqual(frames("a", ""), ["data: {\"content\":\"a\"}\n\n", ""])
  })

  describe("a half of a surrogate pair", () => {
    it("waits for the other one", () => {
      assert.deepStrictEqual(frames("a\ud83c", "\udf89b"), [
        "data: {\"content\":\"a\"}\n\n",
        "data: {\"content\":\"a🎉b\"}\n\n"
      ])
      assert.deepStrictEqual(frames("\ud83c", "", "\udf89"), ["", "", "data: {\"content\":\"🎉\"}\n\n"])
    })

    it("is U+FFFD if it stays alone", () => {
      assert.deepStrictEqual(frames("\udf89", "\ud83c", "b").map((frame) => frame && content(frame)), [
        "\ufffd",
        "",
        "\ufffd\ufffdb"
      ])
    })

    it("is U+FFFD at the end", () => {
      const encoder = new FrameEncoder()
      encoder.add("a\ud83c")
      encoder.end()
      assert.strictEqual(
        decode(encoder.take()),
        "data: {\"content\":\"a\"}\n\ndata: {\"content\":\"a\ufffd\"}\n\n"
      )
    })

    it("is never in a frame, whatever the deltas", () => {
      const deltas = FastCheck.array(
        FastCheck.string({ unit: FastCheck.constantFrom("\ud83c", "\udf89", "a"), minLength: 1 })
      )
      FastCheck.assert(FastCheck.property(deltas, (deltas) => {
        const encoder = new FrameEncoder()
        for (const delta of deltas) encoder.add(delta)
        encoder.end()
        const contents = decode(encoder.take()).split("\n\n").slice(0, -1).map(content)
        assert.deepStrictEqual(contents.filter((content) => !content.isWellFormed()), [])
        assert.strictEqual(contents.at(-1) ?? "", deltas.join("").toWellFormed())
      }))
    })
  })

  it("a text far larger than the first buffer", () => {
    const delta = "ж\"\n🎉".repeat(10_000)
    assert.deepStrictEqual(frames(delta, delta).map(content), [delta, delta + delta])
  })

  it("a text that has just one byte too many for the first buffer", () => {
    const delta = "中".repeat(335)
    assert.deepStrictEqual(frames("ab", delta).map(content), ["ab", `ab${delta}`])
  })

  it("a frame that was given out is not written to any more", () => {
    const encoder = new FrameEncoder()
    const first = add(encoder, "a")
    add(encoder, "b")
    assert.strictEqual(decode(first), "data: {\"content\":\"a\"}\n\n")
  })

  it("frames that are taken together are the same, in one piece of the size that was told", () => {
    FastCheck.assert(FastCheck.property(FastCheck.array(FastCheck.string({ unit: "binary" })), (deltas) => {
      const encoder = new FrameEncoder()
      for (const delta of deltas) encoder.add(delta)
      const size = encoder.size
      const bytes = encoder.take()
      assert.strictEqual(decode(bytes), frames(...deltas).join(""))
      assert.strictEqual(bytes.length, size)
    }))
  })

  it("what was taken does not wait any more", () => {
    const encoder = new FrameEncoder()
    add(encoder, "a")
    assert.strictEqual(encoder.size, 0)
    assert.strictEqual(encoder.take().length, 0)
  })

  it("the frame that ends a reply", () => {
    assert.strictEqual(decode(doneFrame), "data: [DONE]\n\n")
  })

  it("the frame of an error", () => {
    assert.strictEqual(decode(errorFrame({ code: 500, msg: "a\nb" })), "data: {\"code\":500,\"msg\":\"a\\nb\"}\n\n")
  })
})
