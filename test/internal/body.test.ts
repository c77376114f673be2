import type { HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Runtime } from "effect"
import { Readable } from "node:stream"
import { ConnectionError } from "../../src/GPTalkError.js"
import type { Handlers } from "../../src/internal/body.js"
import { Body } from "../../src/internal/body.js"

/** What the clients on Node answer with, as far as it concerns a body. */
const responseOf = (source: Readable) => ({ status: 200, source }) as unknown as HttpClientResponse.HttpClientResponse

/** All that can be read, and then how it ended. */
const read = (source: Readable) => {
  const body = new Body((error) =>
    new ConnectionError({ step: "stream", cause: { name: "Error", message: (error as Error).message } })
  )
  body.connect(responseOf(source), Runtime.defaultRuntime)
  const handlers = (text: string): Handlers<readonly [string, string]> => ({
    onChunks: (chunks) => body.read(handlers(text + Buffer.concat(chunks).toString())),
    onEnd: (end) =>
      Effect.map(Effect.either(end), (end) => [text, Either.isRight(end) ? "the end" : String(end.left)] as const)
  })
  return body.read(handlers(""))
}

/** A stream of which nobody will hear any more that it broke. */
const broken = (error?: Error) =>
  Effect.async<Readable>((resume) => {
    const source = new Readable({ read: () => {} })
    source.on("error", () => {})
    source.on("close", () => {
      source.removeAllListeners()
      resume(Effect.succeed(source))
    })
    source.destroy(error)
  })

const assertEnds = (source: Readable, text: string, end: string) =>
  Effect.gen(function*() {
    const [found, ended] = yield* read(source)
    assert.strictEqual(found, text)
    assert.include(ended, end)
  })

describe("Body", () => {
  describe("of a Node stream", () => {
    it.effect("is read to its end", () =>
      assertEnds(Readable.from([Buffer.from("a"), Buffer.from("b")]), "ab", "the end"))

    it.effect("that failed before anyone listened fails with the same error", () =>
      Effect.flatMap(broken(new Error("socket hang up")), (source) => assertEnds(source, "", "socket hang up")))

    it.effect("that was closed before anyone listened fails", () =>
      Effect.flatMap(broken(), (source) => assertEnds(source, "", "the connection was closed")))

    it.effect("that is closed while it is read fails, after what has come", () =>
      Effect.gen(function*() {
        const source = new Readable({ read: () => {} })
        source.push("a")
        setImmediate(() => source.destroy())
        yield* assertEnds(source, "a", "the connection was closed")
      }))
  })
})
