import type { HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, LogLevel, Schema, Stream } from "effect"
import { Readable } from "node:stream"
import { readJson } from "../../src/internal/requestBody.js"
import * as Running from "../../src/internal/running.js"
import { pause } from "../utils/eventually.js"

/** Reads a request as the server does, and says which fibers are still noted for it. */
const read = (request: object, maxSize = 100, running = new Running.Running()) =>
  Effect.gen(function*() {
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
      assert.strictEqual(running.fibers.size, 0)
    }))

  it.scoped("takes a body that was given an encoding before", () =>
    Effect.gen(function*() {
      const source = Readable.from([Buffer.from("{}")]).setEncoding("utf8")
      const { json } = yield* read({ source, headers: { "content-length": "2" } })
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))

  it.scoped("notes its fiber while it reads a stream", () =>
    Effect.gen(function*() {
      const running = new Running.Running()
      const reading = yield* Effect.fork(read({ headers: {}, stream: Stream.never }, 100, running))
      yield* Effect.yieldNow()
      assert.strictEqual(running.fibers.size, 1)
      yield* Fiber.interrupt(reading)
      assert.strictEqual(running.fibers.size, 0)
    }))

  it.scoped("keeps no fiber once the reading is interrupted", () =>
    Effect.gen(function*() {
      const running = new Running.Running()
      const source = new Readable({ read: () => {} })
      const reading = yield* Effect.fork(read({ source, headers: { "content-length": "2" } }, 100, running))
      yield* Effect.yieldNow()
      assert.strictEqual(running.fibers.size, 1)
      yield* Fiber.interrupt(reading)
      assert.strictEqual(running.fibers.size, 0)
    }))

  it.scoped("refuses a body that broke before it was read", () => {
    const source = new Readable({ read: () => {} }).destroy()
    return assertUnreadable({ source, headers: { "content-length": "2" }, stream: Stream.fail("aborted") })
  })

  it.scoped("refuses a body that breaks", () => {
    const source = new Readable({ read: () => {} })
    setImmediate(() => source.destroy(new Error("aborted")))
    return assertUnreadable({ source, headers: { "content-length": "2" } })
  })

  it.scoped("refuses a body of unknown length that dies", () =>
    assertUnreadable({ headers: {}, stream: Stream.die(new Error("oops")) }))

  it.scopedLive("logs nothing of a body of unknown length that breaks, at any level", () => {
    const lines: Array<unknown> = []
    const logger = Logger.make(({ message }) => void lines.push(message))
    return Effect.gen(function*() {
      yield* assertUnreadable({ headers: {}, stream: Stream.fail("aborted") })
      yield* pause
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)), Logger.withMinimumLogLevel(LogLevel.All))
  })

  it.scoped("takes a body of a told length that is exactly as large as allowed", () =>
    Effect.gen(function*() {
      const source = Readable.from([Buffer.from("{}")])
      const { json } = yield* read({ source, headers: { "content-length": "2" } }, 2)
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))

  it.scoped("refuses a stream that is told to be too large before any of it is read", () =>
    Effect.gen(function*() {
      const { json } = yield* read({ headers: { "content-length": "101" }, stream: Stream.dieMessage("it was read") })
      assert.deepInclude(json._tag === "Left" ? json.left : json, { code: 413 })
    }))

  it.scoped("reads no further once a body of unknown length is too large", () =>
    Effect.gen(function*() {
      let pulled = 0
      const piece = Effect.sync(() => new Uint8Array(51).fill(++pulled))
      const { json } = yield* read({ headers: {}, stream: Stream.take(Stream.repeatEffect(piece), 100) })
      assert.deepInclude(json._tag === "Left" ? json.left : json, { code: 413 })
      assert.strictEqual(pulled, 2)
    }))

  it.scoped("takes a body of unknown length that is exactly as large as allowed", () =>
    Effect.gen(function*() {
      const { json } = yield* read({ headers: {}, stream: Stream.make(new TextEncoder().encode("{}")) }, 2)
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))

  it.scoped("refuses a body of unknown length that ends inside a character", () =>
    Effect.gen(function*() {
      const { json } = yield* read({ headers: {}, stream: Stream.make(new Uint8Array([0x7b, 0x7d, 0xe2])) })
      assert.strictEqual(json._tag, "Left")
    }))

  it.scoped("does not believe a length beside which the body comes in chunks", () =>
    Effect.gen(function*() {
      const source = Readable.from([Buffer.from("{}" + " ".repeat(99))])
      const headers = { "content-length": "2", "transfer-encoding": "chunked" }
      const { json } = yield* read({ source, headers, stream: Stream.fromAsyncIterable(source, String) })
      assert.deepInclude(json._tag === "Left" ? json.left : json, { code: 413 })
    }))

  it.scoped("takes a body that others have read and that is exactly as large as allowed", () =>
    Effect.gen(function*() {
      const { json } = yield* read({ headers: {}, source: { bodyUsed: true }, text: Effect.succeed("{}") }, 2)
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))

  it.scopedLive("waits for a body that others still read", () =>
    Effect.gen(function*() {
      const text = Effect.as(Effect.sleep("20 millis"), "{}")
      const { json } = yield* read({ headers: {}, source: { bodyUsed: true }, text })
      assert.deepInclude(json, { _tag: "Right", right: {} })
    }))

  it.scoped("refuses a body that breaks while others read it", () =>
    assertUnreadable({ headers: {}, source: { bodyUsed: true }, text: Effect.fail("aborted") }))
})
