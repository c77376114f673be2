import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import { eventually, pause } from "./utils/eventually.js"
import { collectGarbage } from "./utils/garbage.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

type Leave = (raw: Raw.RawSocket) => void

const ways: Readonly<Record<string, Leave>> = {
  "ends its connection": ({ socket }) => void socket.end(),
  "closes its connection": ({ socket }) => void socket.destroy(),
  "resets its connection": ({ socket }) => void socket.resetAndDestroy()
}

const bodies: ReadonlyArray<readonly [name: string, headers: Record<string, string | number>, begin: string]> = [
  ["with its body half sent", { "content-length": 100 }, "{\"f"],
  ["with a body of unknown length half sent", { "transfer-encoding": "chunked" }, "3\r\n{\"f\r\n"],
  ["with a body half sent that is too large", { "content-length": 2000 }, "{\"f"],
  ["with a body half sent that has become too large", { "transfer-encoding": "chunked" }, `7d0\r\n${"x".repeat(2000)}`]
]

const middlewares = [
  ["", Layer.empty],
  [" and middleware that has waited long enough", TestServer.impatient]
] as const

const rows = middlewares.flatMap(([after, middleware]) =>
  bodies.map(([name, headers, begin]) => [name + after, headers, begin, middleware] as const)
)

describe.each(Object.entries(ways))("a client that %s", (_, leave) => {
  it.scopedLive.each(rows)(
    "%s is forgotten, and its request",
    ([, headers, begin, middleware]) =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxBodySize: 1000, middleware })
        const requests: Array<WeakRef<object>> = []
        server.http.on("request", (request) => requests.push(new WeakRef(request)))
        for (let count = 0; count < 5; count++) {
          const raw = yield* Raw.open(server.port)
          yield* Raw.write(raw, Raw.head("POST", Protocol.paths.login, headers) + begin)
          yield* eventually(() => assert.strictEqual(requests.length, count + 1))
          yield* middleware === Layer.empty ? raw.settled : eventually(() => assert.match(raw.received(), / 4\d\d /))
          leave(raw)
        }
        yield* eventually(() => assert.strictEqual(server.sockets.size, 0))
        const held = () => requests.filter((request) => request.deref() !== undefined).length
        for (let tries = 0; tries < 10 && held() > 0; tries++) {
          yield* pause
          collectGarbage()
        }
        assert.strictEqual(held(), 0)
      })
  )
})
