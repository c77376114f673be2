import { FetchHttpClient, HttpApp, HttpLayerRouter, HttpMiddleware, HttpServerResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Scope, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import * as Http from "node:http"
import { eventually } from "./utils/eventually.js"
import { makeRecords } from "./utils/logAndSpans.js"
import * as Raw from "./utils/rawSocket.js"
import * as Recorder from "./utils/Recorder.js"
import * as TestServer from "./utils/TestServer.js"

const { events, layerClient } = TestServer

/** A server that logs each request, and all that is logged, of every level. */
const withServer = Effect.gen(function*() {
  const recorder = Recorder.make()
  const server = yield* Effect.provide(TestServer.make({ isLogging: true }), recorder.layer)
  return { recorder, server, session: yield* TestServer.newSession(server) }
})

const send = (server: TestServer.TestServer, session: string, size: Record<string, string | number>, body: string) =>
  Effect.gen(function*() {
    const raw = yield* Raw.open(server.port)
    const headers = { authorization: `Bearer ${session}`, "content-type": "application/json", ...size }
    yield* Raw.write(raw, Raw.head("POST", Protocol.paths.text, headers) + body)
    yield* eventually(() => assert.strictEqual(server.count(Protocol.paths.text), 1))
    return raw
  })

/** Nor is the failure of a fiber logged, which may hold a whole request. */
const holdsNone = (recorder: Recorder.Recorder, session: string) => {
  // The value of a span is the answer itself, and no exporter takes it along.
  const log = recorder.lines.filter((line) => !line.startsWith("value of span")).join("\n")
  assert.notMatch(log, /the-prompt|unhandled/)
  assert.notInclude(log, session)
}

const body = JSON.stringify({ ...TestServer.textBody, content: "the-prompt" })

describe("the log of a server, of every level, holds no prompt and no token", () => {
  it.scopedLive.each<readonly [string, Record<string, string | number>, string]>([
    ["a body", { "content-length": 1000 }, body],
    ["a body of unknown length", { "transfer-encoding": "chunked" }, `${body.length.toString(16)}\r\n${body}\r\n`]
  ])("of %s that breaks off", ([, size, sent]) =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const raw = yield* send(server, session, size, sent)
      yield* Effect.sync(() => raw.socket.resetAndDestroy())
      yield* eventually(() => assert.isTrue(recorder.lines.some((line) => line.includes(Protocol.paths.text))))
      yield* Effect.sleep("50 millis")
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a body that is no good", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const { status } = yield* TestServer.post(server.url + Protocol.paths.text, `${body},`, {
        authorization: `Bearer ${session}`
      })
      assert.strictEqual(status, 400)
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a body that is too large", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const { status } = yield* TestServer.post(
        server.url + Protocol.paths.text,
        body.replace("the-prompt", "the-prompt".repeat(200_000)),
        { authorization: `Bearer ${session}` }
      )
      assert.strictEqual(status, 413)
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a request that goes well", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      yield* TestServer.text(server, session, { content: "the-prompt" })
      assert.isTrue(recorder.lines.some((line) => line.includes(Protocol.paths.text)))
      holdsNone(recorder, session)
    }))
})

describe("GPTalkServer", () => {
  describe("no token gets into the HTTP server's log or spans", () => {
    const record = (visit: (server: TestServer.TestServer, token: string) => Effect.Effect<unknown>) => {
      const records = makeRecords()
      return Effect.gen(function*() {
        const server = yield* TestServer.make({ isLogging: true })
        const session = yield* TestServer.newSession(server)
        const token = yield* TestServer.newStreamToken(server, session)
        yield* visit(server, token)
        return { ...records, session, token }
      }).pipe(Effect.provide(records.layer))
    }

    const visits: ReadonlyArray<readonly [name: string, method: string, path: (token: string) => string]> = [
      ["a reply", "GET", (token) => `${Protocol.paths.stream}?token=${token}`],
      ["a reply asked for with a slash at the end", "GET", (token) => `${Protocol.paths.stream}/?token=${token}`],
      ["a reply asked for with two slashes", "GET", (token) => `/${Protocol.paths.stream}?token=${token}`],
      [
        "a reply asked for with two slashes within its path",
        "GET",
        (token) => `${Protocol.paths.stream.replace("/chatapi", "//chatapi")}?token=${token}`
      ],
      [
        "a reply asked for with escapes, and a broken one after a semicolon",
        "GET",
        (token) => `/api/chatgpt/chatapi/%73tream;token=${token}&x=%zz`
      ],
      ["a reply asked for in capitals", "GET", (token) => `${Protocol.paths.stream.toUpperCase()}?token=${token}`],
      ["a reply asked for with escapes", "GET", (token) => `/api/chatgpt/chatapi/%73tream?token=${token}`],
      ["a reply asked for with a semicolon", "GET", (token) => `${Protocol.paths.stream};token=${token}`],
      ["a stream by the wrong method", "DELETE", (token) => `${Protocol.paths.stream}?token=${token}`],
      ["a stream by its head alone", "HEAD", (token) => `${Protocol.paths.stream}?token=${token}`]
    ]

    for (const [name, method, path] of visits) {
      it.scoped(name, () =>
        Effect.gen(function*() {
          const { session, text, token } = yield* record((server, token) =>
            Effect.async<void>((resume) => {
              // Unlike `fetch`, it sends a path as it is.
              Http.request({ host: "127.0.0.1", port: server.port, method, path: path(token) }, (response) => {
                response.resume().on("end", () => resume(Effect.void))
              }).end()
            })
          )
          assert.notInclude(text(), token)
          assert.notInclude(text(), session)
        }))
    }

    it.scoped("a reply below a prefix", () => {
      const records = makeRecords()
      return Effect.gen(function*() {
        const server = yield* TestServer.make({ isLogging: true, prefix: "/v1" })
        const token = yield* TestServer.newStreamToken(server)
        assert.strictEqual((yield* TestServer.stream(server, token)).status, 200)
        assert.notInclude(records.text(), token)
      }).pipe(Effect.provide(records.layer))
    })

    it.scoped("a reply of a server that runs in another fiber than that of its layer", () =>
      Effect.gen(function*() {
        const records = makeRecords()
        const build = HttpLayerRouter.toHttpEffect(Layer.provide(GPTalkServer.layer(), Responder.layerEcho))
        const scope = yield* Effect.scope
        const app = yield* Effect.promise(() => Effect.runPromise(Scope.extend(build, scope)))
        const serve = HttpApp.toWebHandlerRuntime(yield* Layer.toRuntime(records.layer))(
          HttpMiddleware.logger(Effect.withSpan(app, "middleware"))
        )
        let url = ""
        const send: typeof fetch = (input, init) => serve(new Request(url = String(input), init))
        const reply = yield* GPTalk.generateText({ prompt: "Hi" }).pipe(
          Effect.provide(Layer.provide(GPTalk.layer(), FetchHttpClient.layer)),
          Effect.provideService(FetchHttpClient.Fetch, send)
        )
        assert.strictEqual(reply, "You said: Hi")
        assert.strictEqual(records.spans.filter(({ name }) => name.startsWith("http.server")).length, 3)
        assert.notInclude(records.text(), new URL(url).searchParams.get("token")!)
      }))

    it.scoped("the other two routes are logged and traced all the same", () =>
      Effect.gen(function*() {
        const { lines, spans } = yield* record(() => Effect.void)
        assert.strictEqual(lines.filter((line) => line.includes(Protocol.paths.login)).length, 1)
        assert.strictEqual(spans.length, 2)
      }))

    it.scoped("a path that is not there is logged too", () =>
      Effect.gen(function*() {
        const path = "/api/chatgpt/user/logout"
        const { lines } = yield* record((server) => TestServer.request(server.url + path))
        assert.strictEqual(lines.filter((line) => line.includes(path)).length, 1)
      }))

    it.scoped("what the program itself has no spans of has none still, and the token neither", () => {
      const records = makeRecords()
      return Effect.gen(function*() {
        const server = yield* HttpMiddleware.withTracerDisabledWhenEffect(
          TestServer.make(),
          (request) => request.url === Protocol.paths.login
        )
        const token = yield* TestServer.newStreamToken(server)
        yield* TestServer.stream(server, token)
        const paths = records.spans.map(({ attributes }) => attributes.get("url.path"))
        assert.deepStrictEqual(paths, [Protocol.paths.text])
      }).pipe(Effect.provide(records.layer))
    })

    it.scoped("a stream that middleware answers has no log either", () => {
      const records = makeRecords()
      const middleware = TestServer.aroundStream(() => HttpServerResponse.text("busy", { status: 429 }))
      return Effect.gen(function*() {
        const server = yield* TestServer.make({ isLogging: true, middleware })
        const token = yield* TestServer.newStreamToken(server)
        assert.strictEqual((yield* TestServer.stream(server, token)).status, 429)
        assert.notInclude(records.text(), token)
      }).pipe(Effect.provide(records.layer))
    })

    /** The spans of an exchange whose client sends its trace along, and whose responder has a span of its own. */
    const trace = (options?: TestServer.Options) => {
      const records = makeRecords()
      const responder = Responder.make(() => Stream.fromEffect(Effect.withSpan(Effect.succeed("Hi"), "answer")))
      return Effect.gen(function*() {
        const server = yield* TestServer.make({ ...options, responder })
        yield* GPTalk.generateText({ prompt: "Hi" }).pipe(
          Effect.provide(layerClient(server, { propagateTrace: true }))
        )
        return (name: string) => records.spans.find((span) => span.name === name)!
      }).pipe(Effect.provide(records.layer))
    }

    it.scoped("a responder's own spans are part of the client's trace", () =>
      Effect.gen(function*() {
        const span = yield* trace()
        assert.strictEqual(Option.getOrUndefined(span("answer").parent)?.spanId, span("GPTalk.stream").spanId)
        assert.strictEqual(span("answer").traceId, span("GPTalk.stream").traceId)
      }))

    it.scoped("a responder's own spans belong to that of middleware, if there is one", () =>
      Effect.gen(function*() {
        const middleware = TestServer.aroundStream(Effect.withSpan("middleware", { root: true }))
        const span = yield* trace({ middleware })
        assert.strictEqual(Option.getOrUndefined(span("answer").parent)?.spanId, span("middleware").spanId)
      }))

    it.scoped("a responder's own spans are still made", () => {
      const records = makeRecords()
      const responder = Responder.make(() => Stream.fromEffect(Effect.withSpan(Effect.succeed("Hi"), "answer")))
      return Effect.gen(function*() {
        yield* events(responder)
        assert.include(records.spans.map(({ name }) => name), "answer")
      }).pipe(Effect.provide(records.layer))
    })
  })
})
