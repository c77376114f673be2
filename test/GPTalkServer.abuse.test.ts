import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schedule, Stream, TestClock, TestServices } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import { eventually } from "./utils/eventually.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const { textBody, withSession } = TestServer

/** Whether the server still gives a reply. */
const isWell = (server: TestServer.TestServer) =>
  Effect.gen(function*() {
    const { body } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
    return body.endsWith("data: [DONE]\n\n")
  })

describe("the server under abuse", () => {
  describe("tokens", () => {
    it.scoped("one that is forged, in many ways, is a 401", () =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        const headers = [
          "",
          "Bearer",
          "Bearer ",
          session,
          `Basic ${session}`,
          `Basic bearer ${session}`,
          `Bearer ${session}0`,
          `Bearer ${session} x`
        ]
        for (
          const authorization of [...headers, "Bearer __proto__", "Bearer constructor", `Bearer ${"x".repeat(8000)}`]
        ) {
          const answer = yield* TestServer.post(server.url + Protocol.paths.text, textBody, { authorization })
          assert.strictEqual(answer.status, 401, authorization)
        }
      }))

    it.scoped.each(["bearer", "BEARER", "Bearer "])("one after '%s ' is good", (scheme) =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        const { status } = yield* TestServer.post(server.url + Protocol.paths.text, textBody, {
          authorization: `${scheme} ${session}`
        })
        assert.strictEqual(status, 200)
      }))

    it.scoped("one that is forged is refused before the body has come", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const raw = yield* Raw.open(server.port)
        const headers = { "authorization": "Bearer x", "content-length": 100 }
        yield* Raw.write(raw, Raw.head("POST", Protocol.paths.text, headers))
        yield* eventually(() => assert.match(raw.received(), /^HTTP\/1.1 401 /))
      }))

    it.scoped.each<
      readonly [string, number, (server: TestServer.TestServer, session: string) => Effect.Effect<unknown>]
    >([
      ["that others use up", 403, TestServer.text],
      ["that ends", 401, () => TestClock.adjust("61 minutes")]
    ])("a session %s while the body comes in is a %i", ([, status, meanwhile]) =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ usageLimit: 1 })
        const session = yield* TestServer.newSession(server)
        const raw = yield* Raw.open(server.port)
        const body = JSON.stringify(textBody)
        const headers = { "authorization": `Bearer ${session}`, "content-length": body.length }
        yield* Raw.write(raw, Raw.head("POST", Protocol.paths.text, headers))
        yield* eventually(() => assert.strictEqual(server.count(Protocol.paths.text), 1))
        yield* meanwhile(server, session)
        yield* Raw.write(raw, body)
        yield* eventually(() => assert.isTrue(raw.received().startsWith(`HTTP/1.1 ${status}`)))
      }))

    it.scoped("a session token fetches no reply", () =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        yield* TestServer.text(server, session)
        assert.strictEqual((yield* TestServer.stream(server, session)).status, 403)
      }))

    it.scoped("a stream token is no session", () =>
      Effect.gen(function*() {
        const { server, session } = yield* withSession
        const token = yield* TestServer.newStreamToken(server, session)
        assert.strictEqual((yield* TestServer.text(server, token)).status, 401)
      }))

    it.scoped("a stream token is good without its session's, and after that has ended", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ sessionLifetime: "10 seconds" })
        const token = yield* TestServer.newStreamToken(server)
        yield* TestClock.adjust(Duration.seconds(11))
        assert.strictEqual((yield* TestServer.stream(server, token)).status, 200)
      }))

    it.scoped("two in one URL are a 400", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const token = yield* TestServer.newStreamToken(server)
        const answer = yield* TestServer.request(`${TestServer.streamUrl(server, token)}&token=${token}`)
        assert.strictEqual(answer.status, 400)
      }))
  })

  describe("logins that are not used", () => {
    it.scoped("are kept up to a number, then the oldest goes", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxSessions: 10 })
        const sessions = yield* Effect.replicateEffect(TestServer.newSession(server), 30)
        const answers = yield* Effect.forEach(sessions, (session) => TestServer.text(server, session))
        assert.deepStrictEqual(answers.map(({ status }) => status), [
          ...Array.from({ length: 20 }, () => 401),
          ...Array.from({ length: 10 }, () => 200)
        ])
      }))

    it.scoped("lock nobody out", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxSessions: 10 })
        yield* Effect.replicateEffect(TestServer.login(server), 50)
        assert.isTrue(yield* isWell(server))
      }))

    it.scoped("do not cost another its session", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxSessions: 10 })
        const session = yield* TestServer.newSession(server)
        yield* TestServer.text(server, session)
        yield* Effect.replicateEffect(TestServer.login(server), 50)
        assert.strictEqual((yield* TestServer.text(server, session)).status, 200)
      }))
  })

  describe("readers", () => {
    const delta = "0123456789".repeat(10)

    it.scoped("200 at once each get their reply", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const bodies = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, index) => `reader ${index}`),
          (content) =>
            Effect.gen(function*() {
              const { body } = yield* TestServer.text(server, yield* TestServer.newSession(server), { content })
              return (yield* TestServer.stream(server, body.data.token)).body
            }),
          { concurrency: "unbounded" }
        )
        const last = (body: string) => JSON.parse(body.split("\n\n").at(-3)!.slice("data: ".length)).content
        assert.deepStrictEqual(bodies.map(last), Array.from({ length: 200 }, (_, index) => `You said: reader ${index}`))
      }))

    /** A client that asks for a reply and never reads it. */
    const neverReading = (responder: Responder.Service) =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ responder })
        const token = yield* TestServer.newStreamToken(server)
        const raw = yield* Raw.open(server.port)
        raw.socket.pause()
        yield* Raw.write(raw, Raw.head("GET", `${Protocol.paths.stream}?token=${token}`))
        return server
      })

    it.scoped("one that does not read holds the responder back", () =>
      Effect.gen(function*() {
        let pulled = 0
        let since = Date.now()
        const endless = Stream.repeatEffect(Effect.sync(() => {
          pulled++
          since = Date.now()
          return delta.repeat(10)
        }))
        yield* neverReading(Responder.make(() => Stream.rechunk(endless, 1)))
        yield* eventually(() => assert.isTrue(pulled > 0 && Date.now() - since > 300))
        assert.isBelow(pulled, 2000)
      }))

    it.scoped("one that does not read makes no frames pile up, though all deltas are there at once", () =>
      Effect.gen(function*() {
        // As frames, these are 1.25 GB.
        const deltas = Array.from({ length: 5000 }, () => delta)
        const before = process.memoryUsage().arrayBuffers
        const server = yield* neverReading(Responder.make(() => Stream.fromIterable(deltas)))
        yield* eventually(() => assert.strictEqual(server.streamSockets.length, 1))
        assert.isTrue(yield* isWell(yield* TestServer.make()))
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 100 * 1024 ** 2)
      }))

    it.scoped("the prompts of replies that run have a limit together, and give room when these end", () =>
      Effect.gen(function*() {
        const silent = Responder.make(() => Stream.concat(Stream.make("Hi"), Stream.never))
        const server = yield* TestServer.make({ responder: silent, maxBodySize: 16 * 1024 ** 2 })
        const session = yield* TestServer.newSession(server)
        const ask = TestServer.text(server, session, { content: "x".repeat(12 * 1024 ** 2) })
        const readers = yield* Effect.replicateEffect(
          Effect.gen(function*() {
            const raw = yield* Raw.open(server.port)
            const { body } = yield* ask
            yield* Raw.write(raw, Raw.head("GET", `${Protocol.paths.stream}?token=${body.data.token}`))
            yield* eventually(() => assert.include(raw.received(), "data: "))
            return raw
          }),
          2
        )
        assert.strictEqual((yield* ask).status, 429)
        readers[0]!.socket.destroy()
        const answer = yield* Effect.retry(
          Effect.filterOrFail(ask, ({ status }) => status === 200),
          Schedule.spaced("20 millis").pipe(Schedule.upTo("5 seconds"))
        ).pipe(TestServices.provideLive)
        assert.strictEqual(answer.status, 200)
      }))

    it.scoped("those that vanish, at any moment, leave nothing behind", () =>
      Effect.gen(function*() {
        let running = 0
        const responder = Responder.make(() =>
          Stream.acquireRelease(Effect.sync(() => running++), () => Effect.sync(() => running--)).pipe(
            Stream.flatMap(() => Stream.concat(Stream.make("Hi"), Stream.never))
          )
        )
        const server = yield* TestServer.make({ responder })
        const vanish = (sent: string) =>
          Effect.scoped(Effect.flatMap(Raw.open(server.port), (raw) => Raw.write(raw, sent)))
        const text = Raw.head("POST", Protocol.paths.login, { "content-length": 100 })
        for (let index = 0; index < text.length; index += 10) yield* vanish(text.slice(0, index))
        yield* vanish(`${text}{"finger`)
        for (let count = 0; count < 20; count++) {
          yield* vanish(Raw.head("GET", `${Protocol.paths.stream}?token=${yield* TestServer.newStreamToken(server)}`))
        }
        const isOwn = (path: string) => path === Protocol.paths.stream
        yield* eventually(() => assert.isTrue(server.requests.filter(isOwn).length === 20 && running === 0))
        yield* eventually(() => assert.isTrue(server.streamSockets.every((socket) => socket.destroyed)))
      }))
  })

  describe("a request that asks for another protocol", () => {
    const upgrade = { connection: "upgrade, http2-settings", upgrade: "h2c", "http2-settings": "" }

    for (const [step, path] of Object.entries(Protocol.paths)) {
      it.scoped(`${step}: is a 400, and its connection is closed`, () =>
        Effect.gen(function*() {
          const server = yield* TestServer.make()
          const raw = yield* Raw.open(server.port)
          const method = step === "stream" ? "GET" : "POST"
          yield* Raw.write(raw, Raw.head(method, path, { ...upgrade, "content-length": 2 }) + "{}")
          yield* eventually(() => assert.isTrue(raw.isOver()))
          assert.match(raw.received(), /^HTTP\/1\.1 400 [^]*\r\nconnection: close\r\n[^]*upgrade header/i)
          yield* eventually(() => assert.strictEqual(server.sockets.size, 0))
        }))
    }

    it.scoped("does no harm when its client leaves before the answer", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const raw = yield* Raw.open(server.port)
        server.http.prependListener("upgrade", () => raw.socket.resetAndDestroy())
        yield* Raw.write(raw, Raw.head("GET", Protocol.paths.stream, upgrade))
        yield* eventually(() => assert.isTrue(raw.socket.destroyed && server.sockets.size === 0))
        assert.isTrue(yield* isWell(server))
      }))
  })
})
