import { HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream, TestClock } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import type * as Http from "node:http"
import { eventually } from "./utils/eventually.js"
import { hosts, post } from "./utils/hosts.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const { loginBody, textBody, withSession } = TestServer

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

  describe.each(Object.entries(hosts))("%s", (_, host) => {
    it.scopedLive.each(["text", "json"] as const)(
      "with %s is there for the routes, within the same bound",
      (way) =>
        Effect.gen(function*() {
          const send = yield* host({ maxBodySize: 1000, middleware: reading((request) => request[way]) })
          const { body: { data: { token } } } = yield* post(send, Protocol.paths.login, loginBody)
          const body = { ...textBody, content: "🎉🎉" }
          assert.strictEqual((yield* post(send, Protocol.paths.text, body, `Bearer ${token}`)).status, 200)
          assert.strictEqual((yield* post(send, Protocol.paths.login, "🎉".repeat(250))).status, 413)
        })
    )

    it.scopedLive("may begin with a byte order mark", () =>
      Effect.gen(function*() {
        const send = yield* host({ middleware: reading((request) => request.text) })
        const init = { method: "POST", body: `\ufeff${JSON.stringify(loginBody)}` }
        assert.strictEqual((yield* send(Protocol.paths.login, init)).status, 200)
      }))
  })

  it.scopedLive("piece by piece is a 400, and is not waited for", () =>
    Effect.gen(function*() {
      const middleware = reading(({ stream }) => Stream.runDrain(stream))
      assert.strictEqual((yield* TestServer.login(yield* TestServer.make({ middleware }))).status, 400)
    }))
})

it.scopedLive.each<readonly [string, (request: HttpServerRequest.HttpServerRequest) => typeof request]>([
  ["has a text of its own", (request) => Object.create(request, { text: { value: request.text } })],
  ["is frozen", (request) => Object.freeze(request.modify({}))]
])("a request that %s does no harm", ([_, change]) =>
  Effect.gen(function*() {
    const middleware = HttpLayerRouter.middleware(
      Effect.updateService(HttpServerRequest.HttpServerRequest, change),
      { global: true }
    )
    assert.strictEqual((yield* TestServer.login(yield* TestServer.make({ middleware }))).status, 200)
  }))

describe("a body that middleware reads after the routes", () => {
  const logging = (log: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<unknown>) =>
    HttpLayerRouter.middleware(
      (answer) => Effect.tap(answer, () => Effect.flatMap(HttpServerRequest.HttpServerRequest, log)),
      { global: true }
    )

  it.scopedLive.each(Object.entries(hosts))("is there for it %s, or has failed", ([_, host]) =>
    Effect.gen(function*() {
      const texts: Array<string> = []
      const middleware = logging(({ text }) => Effect.map(Effect.merge(text), (text) => texts.push(String(text))))
      const send = yield* host({ maxBodySize: 1000, middleware })
      assert.strictEqual((yield* post(send, Protocol.paths.login, loginBody)).status, 200)
      assert.strictEqual((yield* post(send, Protocol.paths.login, "🎉".repeat(250))).status, 413)
      assert.strictEqual(texts[0], JSON.stringify(loginBody))
      assert.include(texts[1], "larger than 1000 bytes")
    }))

  it.scopedLive.each(Object.entries(hosts))(
    "is not printed with the request %s",
    ([_, host]) =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const middleware = logging((request) => Effect.sync(() => lines.push(JSON.stringify(request))))
        const send = yield* host({ middleware })
        yield* post(send, Protocol.paths.login, loginBody)
        assert.include(lines[0], Protocol.paths.login)
        assert.notInclude(lines[0], loginBody.fingerprint)
      })
  )
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

describe("the server under abuse", () => {
  describe("a body that is no good is a 400", () => {
    const bodies: ReadonlyArray<readonly [name: string, body: BodyInit]> = [
      ["nothing", ""],
      ["no JSON", "{\"fingerprint\":"],
      ["null", "null"],
      ["a list", "[1,2,3]"],
      ["a text", "\"fingerprint\""],
      ["nesting without end", "[".repeat(500_000)],
      ["deep nesting", "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000)],
      ["bytes that are no UTF-8", new Uint8Array(1000).fill(0xff)],
      [
        "a prototype",
        "{\"__proto__\":{\"fingerprint\":\"0123456789abcdef0123456789abcdef\",\"platform\":\"fingerprint\"}}"
      ]
    ]
    for (const [name, body] of bodies) {
      it.scoped(name, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.make()
          const { status } = yield* TestServer.request(server.url + Protocol.paths.login, { method: "POST", body })
          assert.strictEqual(status, 400)
        }))
    }

    const wrong = { fingerprint: "0123456789ABCDEF0123456789ABCDEF", platform: "web" }
    for (const field of Object.keys(loginBody) as Array<keyof typeof loginBody>) {
      for (const value of [undefined, null, 7, "", [], wrong[field]]) {
        it.scoped(`login, ${field}: ${JSON.stringify(value)}`, () =>
          Effect.gen(function*() {
            const { url } = yield* TestServer.make()
            const { body } = yield* TestServer.post(url + Protocol.paths.login, { ...loginBody, [field]: value })
            assert.strictEqual(body.code, 400)
            assert.match(body.msg, new RegExp(`^${field}: `))
          }))
      }
    }

    it.scoped("text, each field of the wrong kind or not there, is told by its name", () =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        for (const field of Object.keys(textBody)) {
          for (const value of [undefined, null, {}, typeof textBody[field as "content"] === "string" ? 7 : "7"]) {
            const { body } = yield* TestServer.text(server, session, { [field]: value })
            assert.strictEqual(body.code, 400, field)
            assert.match(body.msg, new RegExp(`^${field}: `))
          }
        }
      }))

    it.scoped("text, numbers that are out of range", () =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        for (const body of [{ ctx_msg_count: -1 }, { ctx_msg_count: 0.5 }, { model: "" }]) {
          assert.strictEqual((yield* TestServer.text(server, session, body)).status, 400)
        }
      }))

    it.scoped("what is wrong with it is told without the value", () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.make()
        const { body } = yield* TestServer.post(url + Protocol.paths.login, { ...loginBody, fingerprint: "s3cret" })
        assert.notInclude(body.msg, "s3cret")
      }))
  })

  describe("a body that is too large is a 413 that the client really reads", () => {
    const spaces = (size: number) =>
      new ReadableStream({
        pull: (controller) => {
          if (size <= 0) return controller.close()
          controller.enqueue(new Uint8Array(Math.min(size, 65_536)).fill(32))
          size -= 65_536
        }
      })

    for (const megabytes of [2, 5, 32]) {
      it.scoped(`${megabytes} MiB, declared`, () =>
        Effect.gen(function*() {
          const { url } = yield* TestServer.make()
          const { body } = yield* TestServer.post(url + Protocol.paths.login, " ".repeat(megabytes * 1024 ** 2))
          assert.strictEqual(body.code, 413)
        }))

      it.scoped(`${megabytes} MiB, chunked`, () =>
        Effect.gen(function*() {
          const { url } = yield* TestServer.make()
          const init = { method: "POST", body: spaces(megabytes * 1024 ** 2), duplex: "half" }
          const { body } = yield* TestServer.request(url + Protocol.paths.login, init)
          assert.strictEqual(body.code, 413)
        }))
    }

    it.scoped("as soon as it is known, though the body goes on", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxBodySize: 100 })
        const raw = yield* Raw.open(server.port)
        yield* Raw.write(raw, Raw.head("POST", Protocol.paths.login, { "transfer-encoding": "chunked" }))
        yield* Raw.write(raw, `65\r\n${" ".repeat(101)}\r\n`)
        yield* eventually(() => assert.include(raw.received(), "413"))
      }))

    /** The connection of one who declares so many bytes, and has sent some of them. */
    const declaring = (size: number, sent = 0) =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxBodySize: 100 })
        const raw = yield* Raw.open(server.port)
        yield* Raw.write(raw, Raw.head("POST", Protocol.paths.login, { "content-length": size }) + " ".repeat(sent))
        return raw
      })

    it.scoped("as soon as it is declared, though none of it has come", () =>
      Effect.gen(function*() {
        const raw = yield* declaring(101)
        yield* eventually(() => assert.include(raw.received(), "413"))
      }))

    it.scoped("and its connection can be used again, if it is no more than four times as large as allowed", () =>
      Effect.gen(function*() {
        const size = 3 * 1024 ** 2
        const server = yield* TestServer.make({ maxBodySize: 1024 ** 2 })
        const raw = yield* Raw.open(server.port)
        const body = `${size.toString(16)}\r\n${" ".repeat(size)}\r\n0\r\n\r\n`
        const head = Raw.head("POST", Protocol.paths.login, { "transfer-encoding": "chunked" })
        yield* Effect.fork(Raw.write(raw, head + body + Raw.head("GET", "/api/chatgpt/x")))
        yield* eventually(() => assert.match(raw.received(), /^HTTP\/1.1 413 [^]*HTTP\/1.1 404 /))
      }))

    it.scoped("and one who goes on sending has a second to read it", () =>
      Effect.gen(function*() {
        const raw = yield* declaring(1e9, 1000)
        yield* eventually(() => assert.include(raw.received(), "413"))
        yield* raw.settled
        assert.isFalse(raw.isOver())
        yield* TestClock.adjust("1 second")
        yield* eventually(() => assert.isTrue(raw.isOver()))
      }))

    it.scopedLive("and one who begins to send after it is cut off", () =>
      Effect.gen(function*() {
        const raw = yield* declaring(1e9)
        yield* eventually(() => assert.include(raw.received(), "413"))
        yield* Raw.write(raw, " ".repeat(1000))
        yield* eventually(() => assert.isTrue(raw.isOver()))
      }))

    it.scopedLive("and one who goes on sending is cut off", () =>
      Effect.gen(function*() {
        const raw = yield* declaring(1e9, 1000)
        yield* eventually(() => assert.isTrue(raw.isOver()))
        assert.match(raw.received(), /^HTTP\/1.1 413/)
      }))
  })
})
