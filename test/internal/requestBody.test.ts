import type { HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Readable } from "node:stream"
import { readJson } from "../../src/internal/requestBody.js"
import type * as Running from "../../src/internal/running.js"

/** Reads a request as the server does, and says which fibers are still noted for it. */
const read = (request: object, maxSize = 100) =>
  Effect.gen(function*() {
    const running: Running.Running = new Set()
    const options = { maxSize, running, scope: yield* Effect.scope }
    const json = yield* Effect.either(
      readJson(request as HttpServerRequest.HttpServerRequest, Schema.Struct({}), options)
    )
    return { json, running }
  })

const assertUnreadable = (request: object) =>
  Effect.gen(function*() {
    const { json } = yield* read(request)
    assert.deepInclude(json._tag === "Left" ? json.left : json, { code: 400, msg: "the body could not be read" })
  })

describe("readJson", () => {
  it.scoped("keeps no fiber once a body is read", () =>
    Effect.gen(function*() {
      const source = Readable.from([Buffer.from("{}")])
      const { json, running } = yield* read({ source, headers: { "content-length": "2" } })
      assert.deepInclude(json, { _tag: "Right", right: {} })
      assert.strictEqual(running.size, 0)
    }))

  it.scoped("refuses a body that breaks", () => {
    const source = new Readable({ read: () => {} })
    setImmediate(() => source.destroy(new Error("aborted")))
    return assertUnreadable({ source, headers: { "content-length": "2" } })
  })

  it.scoped("refuses a body of unknown length that dies", () =>
    assertUnreadable({ headers: {}, stream: Stream.die(new Error("oops")) }))

  it.scoped("takes a body of unknown length that is exactly as large as allowed", () =>
    Effect.gen(function*() {
      const { json } = yield* read({ headers: {}, stream: Stream.make(new TextEncoder().encode("{}")) }, 2)
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))
})
