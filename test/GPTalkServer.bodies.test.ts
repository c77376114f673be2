import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import type * as Http from "node:http"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const utf8 = new TextEncoder()

interface Way {
  readonly headers: (size: number) => Record<string, string | number>
  readonly piece: (bytes: Uint8Array, isLast: boolean) => Uint8Array
}

/** The same bytes, with their size told before, or piece by piece. */
const ways: Readonly<Record<string, Way>> = {
  declared: { headers: (size) => ({ "content-length": size }), piece: (bytes) => bytes },
  chunked: {
    headers: () => ({ "transfer-encoding": "chunked" }),
    piece: (bytes, isLast) =>
      Buffer.concat([
        utf8.encode(`${bytes.length.toString(16)}\r\n`),
        bytes,
        utf8.encode(isLast ? "\r\n0\r\n\r\n" : "\r\n")
      ])
  }
}

describe.each(Object.entries(ways))("a body that is %s", (_, { headers, piece }) => {
  /** What the responder is asked when this comes as `text`, in two pieces. */
  const send = (text: string, cut: number) =>
    Effect.gen(function*() {
      const { asked, responder } = TestServer.silentResponder()
      const server = yield* TestServer.make({ responder })
      const session = yield* TestServer.newSession(server)
      const bytes = utf8.encode(text)
      const head = { authorization: `Bearer ${session}`, ...headers(bytes.length) }
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, Raw.head("POST", Protocol.paths.text, head))
      yield* Raw.write(raw, piece(bytes.subarray(0, cut), false))
      yield* TestServer.eventually(() => server.count(Protocol.paths.text) === 1)
      yield* Raw.write(raw, piece(bytes.subarray(cut), true))
      yield* TestServer.eventually(() => raw.received().includes("token"))
      const token = /"token":"(\w+)"/.exec(raw.received())![1]!
      yield* TestServer.stream(server, token)
      return asked.map(({ prompt }) => prompt)
    })

  const body = JSON.stringify({ ...TestServer.textBody, content: "🎉🎉" })

  it.scopedLive("is read to its end", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* send(body, 5), ["🎉🎉"])
    }))

  it.scopedLive("may be cut inside a character", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* send(body, utf8.encode(body.split("🎉")[0]).length + 2), ["🎉🎉"])
    }))

  it.scopedLive("may begin with a byte order mark", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* send(`\ufeff${body}`, 1), ["🎉🎉"])
    }))
})

it.scopedLive("a body that others have read before is a 400, and is not waited for", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.make()
    const handler = server.http.listeners("request").at(-1) as Http.RequestListener
    server.http.off("request", handler)
    server.http.on("request", (request, response) => {
      request.resume().on("end", () => handler(request, response))
    })
    assert.strictEqual((yield* TestServer.login(server)).status, 400)
  }))
