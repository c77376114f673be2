import { HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import type * as Http from "node:http"
import { eventually } from "./utils/eventually.js"
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
      yield* eventually(() => assert.strictEqual(server.count(Protocol.paths.text), 1))
      yield* Raw.write(raw, piece(bytes.subarray(cut), true))
      yield* eventually(() => assert.include(raw.received(), "token"))
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

describe("a body that middleware has read", () => {
  const reading = (read: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<unknown, unknown>) =>
    HttpLayerRouter.middleware(
      (answer) => Effect.zipRight(Effect.ignore(Effect.flatMap(HttpServerRequest.HttpServerRequest, read)), answer),
      { global: true }
    )

  /** What is asked with `text`, and the status of a body that is larger than allowed. */
  const exchange = Effect.fnUntraced(function*(send: (path: string, init: RequestInit) => Effect.Effect<Response>) {
    const post = (path: string, body: unknown, authorization = "") =>
      Effect.flatMap(
        send(path, { method: "POST", headers: { authorization }, body: JSON.stringify(body) }),
        (response) => Effect.promise(async () => ({ status: response.status, body: JSON.parse(await response.text()) }))
      )
    const { body: { data: { token } } } = yield* post(Protocol.paths.login, TestServer.loginBody)
    const content = "🎉🎉"
    const { status } = yield* post(Protocol.paths.text, { ...TestServer.textBody, content }, `Bearer ${token}`)
    return [status, (yield* post(Protocol.paths.login, "🎉".repeat(250))).status]
  })

  describe.each(["text", "json"] as const)("with %s", (way) => {
    const middleware = reading((request) => request[way])

    it.scopedLive("is there for the routes on Node, within the same bound", () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.make({ maxBodySize: 1000, middleware })
        assert.deepStrictEqual(yield* exchange((path, init) => Effect.promise(() => fetch(url + path, init))), [
          200,
          413
        ])
      }))

    it.scopedLive("is there for the routes in a web handler, within the same bound", () =>
      Effect.gen(function*() {
        const routes = Layer.merge(GPTalkServer.layer({ maxBodySize: 1000 }), middleware)
        const { handler } = yield* Effect.acquireRelease(
          Effect.sync(() =>
            HttpLayerRouter.toWebHandler(Layer.provide(routes, Responder.layer(Responder.echo)), {
              disableLogger: true
            })
          ),
          ({ dispose }) => Effect.promise(dispose)
        )
        assert.deepStrictEqual(
          yield* exchange((path, init) =>
            Effect.promise(() => handler(new Request(`http://gptalk.test${path}`, init)))
          ),
          [200, 413]
        )
      }))
  })

  it.scopedLive("piece by piece is a 400, and is not waited for", () =>
    Effect.gen(function*() {
      const middleware = reading(({ stream }) => Stream.runDrain(stream))
      assert.strictEqual((yield* TestServer.login(yield* TestServer.make({ middleware }))).status, 400)
    }))
})

it.scopedLive.each<readonly [string, Record<string, string | number>, string]>([
  ["of a told length", { "content-length": 100 }, "{\"f"],
  ["of unknown length", { "transfer-encoding": "chunked" }, "3\r\n{\"f\r\n"]
])(
  "a body %s that does not come is answered by middleware that has waited long enough",
  ([_, headers, begin]) =>
    Effect.gen(function*() {
      const server = yield* TestServer.make({ middleware: TestServer.impatient })
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, Raw.head("POST", Protocol.paths.login, headers) + begin)
      yield* eventually(() => assert.match(raw.received(), /^HTTP\/1\.1 408 /))
    })
)
