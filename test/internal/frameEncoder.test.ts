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
    FastCheck.assert(FastCheck.property(FastCheck.array(FastCheck.string({ unit: "binary" })), (deltas) => {
      for (const frame of frames(...deltas)) assert.match(frame, /^data: [^\r\n]*\n\n$/)
    }))
  })

  it("a frame's content is the deltas, joined", () => {
    FastCheck.assert(FastCheck.property(FastCheck.array(FastCheck.string({ unit: "binary" })), (deltas) => {
      assert.deepStrictEqual(
        frames(...deltas).map(content),
        deltas.map((_, index) => deltas.slice(0, index + 1).join(""))
      )
    }))
  })

  it("the halves of a surrogate pair may come in two deltas", () => {
    assert.deepStrictEqual(frames("\ud83c", "\udf89").map(content), ["\ud83c", "🎉"])
  })

  it("a text far larger than the first buffer", () => {
    const delta = "ж\"\n🎉".repeat(10_000)
    assert.deepStrictEqual(frames(delta, delta).map(content), [delta, delta + delta])
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
