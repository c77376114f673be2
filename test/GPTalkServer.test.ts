import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import type * as Http from "node:http"
import * as TestServer from "./utils/TestServer.js"

const { layerClient } = TestServer

const prompt = "Grüße 🎉 \"aus\"\n\\Köln\\ \u2028"

/** All there is to a client: three requests, and of each frame what it adds to the one before. */
const plainReply = (url: string, content: string) =>
  Effect.gen(function*() {
    const session = yield* TestServer.newSession({ url })
    const { body } = yield* TestServer.text({ url }, session, { content })
    const { body: events } = yield* TestServer.stream({ url }, body.data.token)
    const deltas: Array<string> = []
    let known = ""
    for (const line of (events as string).split("\n")) {
      if (!line.startsWith("data: ")) continue
      const payload = line.slice("data: ".length)
      if (payload === "[DONE]") return deltas
      const { content } = JSON.parse(payload)
      deltas.push(content.slice(known.length))
      known = content
    }
    return yield* Effect.dieMessage("no [DONE]")
  })

describe("GPTalkServer", () => {
  describe("the three routes", () => {
    it.scoped("login gives a session token and when it ends", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_500)
        const { body, headers, status } = yield* TestServer.login(yield* TestServer.make())
        assert.strictEqual(status, 200)
        assert.match(headers.get("content-type") ?? "", /^application\/json/)
        assert.strictEqual(body.data.expires_at, 1_700_003_600)
        assert.match(body.data.token, /^[0-9a-f]{64}$/)
      }))

    it.scoped("text gives a stream token, another one each time", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const session = yield* TestServer.newSession(server)
        const first = yield* TestServer.newStreamToken(server, session)
        const second = yield* TestServer.newStreamToken(server, session)
        assert.match(first, /^[0-9a-f]{64}$/)
        assert.strictEqual(new Set([session, first, second]).size, 3)
      }))

    it.scoped("stream gives frames of the whole reply so far, and [DONE]", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ responder: Responder.make(() => Stream.make("При", "", "вет")) })
        const { body, headers } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
        assert.strictEqual(headers.get("content-type"), "text/event-stream")
        assert.strictEqual(body, "data: {\"content\":\"При\"}\n\ndata: {\"content\":\"Привет\"}\n\ndata: [DONE]\n\n")
      }))

    it.scoped("stream tells caches and proxies to hand each frame on at once", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const { headers } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
        assert.strictEqual(headers.get("cache-control"), "no-cache")
        assert.strictEqual(headers.get("x-accel-buffering"), "no")
      }))

    it.scoped("an empty reply is [DONE] alone", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ responder: Responder.make(() => Stream.empty) })
        const { body } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
        assert.strictEqual(body, "data: [DONE]\n\n")
      }))

    it.scoped("the responder gets what text was asked", () =>
      Effect.gen(function*() {
        const { asked, responder } = TestServer.silentResponder()
        const server = yield* TestServer.make({ responder })
        const { body } = yield* TestServer.text(server, yield* TestServer.newSession(server), {
          content: prompt,
          model: "gpt-4",
          temperature: 0.7,
          prompt: "Be brief.",
          ctx_msg_count: 0
        })
        yield* TestServer.stream(server, body.data.token)
        assert.deepStrictEqual(asked, [{
          prompt,
          model: "gpt-4",
          temperature: 0.7,
          systemPrompt: "Be brief.",
          contextMessages: 0
        }])
      }))

    it.scoped("a plain client and the package's own get the same deltas", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const plain = yield* plainReply(server.url, prompt)
        const own = yield* Stream.runCollect(GPTalk.streamText({ prompt })).pipe(Effect.provide(layerClient(server)))
        assert.deepStrictEqual([...own], plain)
        assert.strictEqual(plain.join(""), `You said: ${prompt}`)
      }))
  })

  describe("sessions", () => {
    it.scoped("one is good for five replies, and then refused with 403", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const session = yield* TestServer.newSession(server)
        const answers = yield* Effect.replicateEffect(TestServer.text(server, session), 6)
        assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 403])
      }))

    it.scoped("the use limit can be set", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ usageLimit: 1 })
        const session = yield* TestServer.newSession(server)
        const answers = yield* Effect.replicateEffect(TestServer.text(server, session), 2)
        assert.deepStrictEqual(answers.map(({ status }) => status), [200, 403])
      }))

    it.scoped("uses at the same moment do not get past the limit", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const session = yield* TestServer.newSession(server)
        const answers = yield* Effect.all(Array.from({ length: 20 }, () => TestServer.text(server, session)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(answers.filter(({ status }) => status === 200).length, 5)
      }))

    it.scoped("a body that is refused costs no use", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ usageLimit: 1 })
        const session = yield* TestServer.newSession(server)
        yield* TestServer.text(server, session, { model: "" })
        assert.strictEqual((yield* TestServer.text(server, session)).status, 200)
      }))

    it.scoped("one is good until the moment it ends", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ sessionLifetime: "10 minutes" })
        const session = yield* TestServer.newSession(server)
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* TestServer.text(server, session)).status, 200)
      }))

    it.scoped("one that has ended is refused with 401", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ sessionLifetime: "10 minutes" })
        const session = yield* TestServer.newSession(server)
        yield* TestClock.adjust(Duration.sum("10 minutes", "1 millis"))
        assert.strictEqual((yield* TestServer.text(server, session)).status, 401)
      }))

    it.scoped("one that ends while the client still counts on it costs the client a login, and nothing else", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ sessionLifetime: "1 minute" })
        yield* Effect.gen(function*() {
          yield* GPTalk.generateText({ prompt: "1" })
          yield* TestClock.adjust("2 minutes")
          assert.strictEqual(yield* GPTalk.generateText({ prompt: "2" }), "You said: 2")
        }).pipe(Effect.provide(layerClient(server)))
        assert.strictEqual(server.count(Protocol.paths.login), 2)
      }))
  })

  describe("stream tokens", () => {
    it.scoped("one is good for one GET", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const token = yield* TestServer.newStreamToken(server)
        const answers = yield* Effect.replicateEffect(TestServer.stream(server, token), 2)
        assert.deepStrictEqual(answers.map(({ status }) => status), [200, 403])
      }))

    it.scoped("of many GETs at the same moment one gets the reply", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const token = yield* TestServer.newStreamToken(server)
        const answers = yield* Effect.all(Array.from({ length: 20 }, () => TestServer.stream(server, token)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(answers.filter(({ status }) => status === 200).length, 1)
      }))

    it.scoped("one is good for a minute", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const token = yield* TestServer.newStreamToken(server)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* TestServer.stream(server, token)).status, 200)
      }))

    it.scoped("one is no good after that minute", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const token = yield* TestServer.newStreamToken(server)
        yield* TestClock.adjust(Duration.sum("1 minute", "1 millis"))
        assert.strictEqual((yield* TestServer.stream(server, token)).status, 403)
      }))
  })

  describe("errors are JSON of the one shape, with the status of their code", () => {
    const refusals: ReadonlyArray<
      readonly [name: string, code: number, (server: TestServer.TestServer) => Effect.Effect<TestServer.Answer>]
    > = [
      ["a login that is no JSON", 400, ({ url }) => TestServer.post(url + Protocol.paths.login, "fingerprint=1")],
      ["a login of the wrong shape", 400, ({ url }) => TestServer.post(url + Protocol.paths.login, {})],
      [
        "a text of the wrong shape",
        400,
        (server) =>
          Effect.flatMap(TestServer.newSession(server), (session) => TestServer.text(server, session, { model: "" }))
      ],
      ["a stream without a token", 400, ({ url }) => TestServer.request(url + Protocol.paths.stream)],
      ["a text without a session", 401, ({ url }) => TestServer.post(url + Protocol.paths.text, TestServer.textBody)],
      ["a text with a session nobody was given", 401, (server) => TestServer.text(server, "0".repeat(64))],
      ["a text with a spent session", 403, (server) =>
        Effect.gen(function*() {
          const session = yield* TestServer.newSession(server)
          yield* Effect.replicateEffect(TestServer.text(server, session), 5)
          return yield* TestServer.text(server, session)
        })],
      ["a stream token nobody was given", 403, (server) => TestServer.stream(server, "0".repeat(64))],
      ["a path that is not there", 404, ({ url }) => TestServer.request(`${url}/api/chatgpt/user/logout`)],
      ["a method that is not there", 404, ({ url }) => TestServer.request(url + Protocol.paths.login)],
      [
        "a body that is too large",
        413,
        ({ url }) => TestServer.post(url + Protocol.paths.login, " ".repeat(1024 * 1024 + 1))
      ],
      ["a login when all sessions are in use", 429, (server) =>
        Effect.gen(function*() {
          for (let count = 0; count < 2; count++) yield* TestServer.newStreamToken(server)
          return yield* TestServer.login(server)
        })],
      ["a text when too many replies wait", 429, (server) =>
        Effect.gen(function*() {
          const session = yield* TestServer.newSession(server)
          return (yield* Effect.replicateEffect(TestServer.text(server, session), 5))[4]!
        })]
    ]

    for (const [name, code, refuse] of refusals) {
      it.scoped(`${name}: ${code}`, () =>
        Effect.gen(function*() {
          const isReplies = name.includes("replies")
          const { body, headers, status } = yield* refuse(
            yield* TestServer.make(isReplies ? { maxStreamTokens: 4 } : { maxSessions: 2 })
          )
          assert.strictEqual(status, code)
          assert.match(headers.get("content-type") ?? "", /^application\/json/)
          assert.deepStrictEqual(Object.keys(body), ["code", "msg"])
          assert.strictEqual(body.code, code)
          assert.match(body.msg, /\S/)
          assert.strictEqual(headers.get("www-authenticate"), code === 401 ? "Bearer" : null)
          assert.strictEqual(headers.get("retry-after"), code === 429 ? "1" : null)
        }))
    }

    it.scoped.each(["/api/chatgpt", "/api/chatgpt/", "/api/chatgpt/%zz"])(
      "but %s is the router's own 404",
      (path) =>
        Effect.gen(function*() {
          const { body, status } = yield* TestServer.request((yield* TestServer.make()).url + path)
          assert.deepStrictEqual([status, body], [404, ""])
        })
    )

    it.scoped("429 says when to come back", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ maxSessions: 0 })
        assert.strictEqual((yield* TestServer.login(server)).headers.get("retry-after"), "1")
      }))

    it.scoped("401 says how to come in", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        assert.strictEqual((yield* TestServer.text(server, "x")).headers.get("www-authenticate"), "Bearer")
      }))
  })

  describe("how often the package's client logs in", () => {
    it.scoped("12 replies in a row make 3 logins", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        yield* Effect.replicateEffect(GPTalk.generateText({ prompt: "Hi" }), 12).pipe(
          Effect.provide(layerClient(server))
        )
        assert.strictEqual(server.count(Protocol.paths.login), 3)
      }))

    it.scoped("100 replies at once make 20 logins, and no session is asked for more than it gives", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const replies = yield* Effect.all(
          Array.from({ length: 100 }, (_, index) => GPTalk.generateText({ prompt: String(index) })),
          { concurrency: "unbounded" }
        ).pipe(Effect.provide(layerClient(server)))
        assert.deepStrictEqual(replies, Array.from({ length: 100 }, (_, index) => `You said: ${index}`))
        assert.strictEqual(server.count(Protocol.paths.login), 20)
        assert.strictEqual(server.count(Protocol.paths.text), 100)
      }))

    it.scopedLive("20 logins run side by side", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make()
        const handler = server.http.listeners("request").at(-1) as Http.RequestListener
        let underWay = 0
        let most = 0
        server.http.off("request", handler)
        server.http.on("request", (request, response) => {
          if (request.url !== Protocol.paths.login) return handler(request, response)
          most = Math.max(most, ++underWay)
          response.on("finish", () => underWay--)
          setTimeout(() => handler(request, response), 300)
        })
        yield* Effect.all(Array.from({ length: 100 }, () => GPTalk.generateText({ prompt: "Hi" })), {
          concurrency: "unbounded"
        }).pipe(Effect.provide(layerClient(server)))
        assert.strictEqual(most, 20)
      }))
  })
})
