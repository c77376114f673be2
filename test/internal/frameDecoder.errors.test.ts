import { assert, describe, it } from "@effect/vitest"
import { FrameDecoder } from "../../src/internal/frameDecoder.js"

const frame = (content: string): string => `data: ${JSON.stringify({ content })}\n`

const done = "data: [DONE]\n"

const isDone = { _tag: "Done" } as const

const decode = (...lines: ReadonlyArray<string>) => {
  const decoder = new FrameDecoder(1024)
  const deltas = lines.flatMap((line) => decoder.push(new TextEncoder().encode(line)))
  return { deltas, decoder, outcome: decoder.outcome }
}

describe("FrameDecoder, frames that carry something else than text", () => {
  it.each([
    "{}",
    "{\"id\":1}",
    "{\"delta\":\"a\"}",
    "[]",
    "null",
    "1",
    "\"a\"",
    "{\"code\":200,\"msg\":\"ok\"}",
    "{\"code\":0,\"msg\":\"ok\"}",
    "{\"code\":0,\"msg\":\"ok\",\"content\":null}"
  ])(
    "a frame %s without content or error means nothing",
    (json) => {
      const { decoder, deltas, outcome } = decode(frame("a"), `data: ${json}\n`, done)
      assert.deepStrictEqual([deltas, outcome, decoder.goodFrames], [["a"], isDone, 1])
    }
  )

  it.each([
    ["{\"code\":1001,\"msg\":\"busy\"}", { code: 1001, detail: "busy" }],
    ["{\"message\":\"busy\"}", { code: undefined, detail: "busy" }],
    ["{\"error\":\"busy\"}", { code: undefined, detail: "busy" }],
    ["{\"error\":{\"code\":\"full\",\"message\":\"busy\"}}", { code: "full", detail: "busy" }],
    ["{\"code\":200,\"error\":\"busy\"}", { code: 200, detail: "busy" }],
    ["{\"content\":null,\"msg\":\"busy\"}", { code: undefined, detail: "busy" }],
    ["{\"content\":\"\",\"code\":500,\"msg\":\"busy\"}", { code: 500, detail: "busy" }],
    ["{\"content\":\"\",\"error\":\"busy\"}", { code: undefined, detail: "busy" }],
    ["{\"content\":\"\",\"error\":{\"message\":\"busy\"}}", { code: undefined, detail: "busy" }]
  ])("a frame %s ends the reply with its error", (json, fault) => {
    const { deltas, outcome } = decode(frame("a"), `data: ${json}\n`, frame("ab"), done)
    assert.deepStrictEqual([deltas, outcome as unknown], [["a"], { _tag: "ServiceFault", fault }])
  })

  it("a frame with both content and message is text", () => {
    assert.deepStrictEqual(decode("data: {\"message\":\"m\",\"content\":\"a\"}\n", done).deltas, ["a"])
  })

  it.each([
    "{\"content\":\"\",\"code\":0,\"msg\":\"ok\"}",
    "{\"content\":\"\",\"code\":200,\"msg\":\"ok\"}",
    "{\"content\":\"\",\"msg\":\"ok\"}",
    "{\"content\":\"\",\"error\":null}",
    "{\"content\":\"\",\"error\":null,\"message\":\"ok\"}",
    "{\"content\":\"\",\"error\":false}",
    "{\"content\":\"\",\"error\":false,\"message\":\"ok\"}",
    "{\"content\":\"\",\"error\":\"\",\"message\":\"ok\"}",
    "{\"content\":\"\",\"code\":null}",
    "{\"content\":\"\",\"code\":null,\"message\":\"ok\"}",
    "{\"content\":\"\",\"code\":\"\",\"message\":\"ok\"}",
    "{\"content\":\"\",\"error\":\"\"}",
    "{\"content\":\"\",\"error\":0}",
    "{\"content\":\"\",\"error\":{}}",
    "{\"content\":\"\",\"error\":[]}"
  ])("a frame %s is a good one without a delta", (json) => {
    const { decoder, deltas, outcome } = decode(`data: ${json}\n`, frame("a"), done)
    assert.deepStrictEqual([deltas, outcome, decoder.goodFrames], [["a"], isDone, 2])
  })

  it.each([
    ["{\"content\":\"\",\"error\":\"busy\"}", { code: undefined, detail: "busy" }],
    ["{\"content\":\"\",\"code\":500,\"msg\":\"busy\"}", { code: 500, detail: "busy" }]
  ])("a frame %s before any good one ends the reply with its error", (json, fault) => {
    const { deltas, outcome } = decode(`data: ${json}\n`, frame("a"), done)
    assert.deepStrictEqual([deltas, outcome as unknown], [[], { _tag: "ServiceFault", fault }])
  })

  it.each([
    ["without a line end", ["{\"code\":5,\"msg\":\"busy\"}"]],
    ["with one", ["{\"code\":5,\"msg\":\"busy\"}\n"]],
    ["in pieces", ["{\"code\":5,", "\"msg\":\"busy\"}\r\n\r\n"]],
    ["beside frames that mean nothing", ["data: {}\n", "{\"code\":5,\"msg\":\"busy\"}\n"]]
  ])("knows an error that is no frame, %s", (_, lines) => {
    const { decoder, outcome } = decode(...lines)
    assert.deepStrictEqual([outcome, decoder.unframedFault], [undefined, { code: 5, detail: "busy" }])
  })

  it.each([
    ["nothing", []],
    ["a comment", [": busy\n"]],
    ["JSON of another kind", ["{\"status\":\"ok\"}\n"]],
    ["an error that is cut short", ["{\"code\":5"]],
    ["a message that frames follow", ["{\"message\":\"waiting\"}\n", "data: {\"status\":1}\n"]],
    ["an error that comes after text", [frame("a"), "{\"code\":5,\"msg\":\"busy\"}\n"]],
    ["an error that comes after text, without a line end", [frame("a"), "{\"code\":5,\"msg\":\"busy\"}"]]
  ])("takes for none: %s", (_, lines) => {
    assert.isUndefined(decode(...lines).decoder.unframedFault)
  })

  it("an empty content with an error ends the reply on any frame, not only the first", () => {
    const json = "{\"content\":\"\",\"code\":500,\"msg\":\"busy\"}"
    const { outcome } = decode(frame(""), frame(""), frame("a"), `data: ${json}\n`, done)
    assert.strictEqual(outcome?._tag, "ServiceFault")
  })
})
