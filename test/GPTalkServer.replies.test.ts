import { FetchHttpClient, HttpMiddleware, HttpServerResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, HashMap, Layer, Logger, LogLevel, Option, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import * as Http from "node:http"
import { eventually } from "./utils/eventually.js"
import * as Raw from "./utils/rawSocket.js"
import * as Spans from "./utils/spans.js"
import * as TestServer from "./utils/TestServer.js"

const layerClient = (server: TestServer.TestServer, options?: GPTalk.Options) =>
  Layer.provide(GPTalk.layer({ ...options, url: server.url }), FetchHttpClient.layer)

/** What a client sees of a reply. */
const events = (responder: Responder.Service) =>
  Effect.gen(function*() {
    const server = yield* TestServer.make({ responder })
    return (yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))).body as string
  })

const errorFrame = "data: {\"code\":500,\"msg\":\"The responder failed.\"}\n\n"

/** Deltas for ever, and what becomes of them. */
const makeEndless = () => {
  const seen = { pulled: 0, interrupted: 0 }
  const responder = Responder.make(() =>
    Stream.repeatEffect(Effect.as(Effect.promise(() => new Promise(setImmediate)), "delta ")).pipe(
      Stream.tap(() => Effect.sync(() => seen.pulled++)),
      Stream.ensuringWith(() => Effect.sync(() => seen.interrupted++))
    )
  )
  return { seen, responder }
}

/** Everything that is logged at any level, and every span, as text. */
const makeRecords = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ annotations, cause, message, spans }) => {
    const notes = HashMap.toEntries(annotations).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    lines.push([String(message), Cause.pretty(cause), ...notes, ...[...spans].map(({ label }) => label)].join(" "))
  })
  const { layer: tracer, spans } = Effect.runSync(Spans.record)
  const layer = Layer.mergeAll(
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(LogLevel.All),
    tracer
  )
  const text = () =>
    [...lines, ...spans.map(({ attributes, name }) => JSON.stringify([name, [...attributes]]))].join("\n")
  return { layer, text, lines, spans }
}

describe("GPTalkServer", () => {
  describe("a responder that fails ends the stream with an error frame and no [DONE]", () => {
    it.scoped("a typed failure", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* events(Responder.make(() => Stream.fail("secret reason"))), errorFrame)
      }))

    it.scoped("a failure after deltas", () =>
      Effect.gen(function*() {
        const responder = Responder.make(() => Stream.concat(Stream.make("Hel", "lo"), Stream.fail("secret reason")))
        assert.strictEqual(
          yield* events(responder),
          `data: {"content":"Hel"}\n\ndata: {"content":"Hello"}\n\n${errorFrame}`
        )
      }))

    it.scoped("a defect", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* events(Responder.make(() => Stream.dieMessage("secret reason"))), errorFrame)
      }))

    it.scoped("a responder that throws before it gives a stream", () =>
      Effect.gen(function*() {
        const responder = Responder.make(() => {
          throw new Error("secret reason")
        })
        assert.strictEqual(yield* events(responder), errorFrame)
      }))

    it.scoped("a stream that interrupts itself", () =>
      Effect.gen(function*() {
        const responder = Responder.make(() => Stream.concat(Stream.make("Hi"), Stream.fromEffect(Effect.interrupt)))
        assert.strictEqual(yield* events(responder), `data: {"content":"Hi"}\n\n${errorFrame}`)
      }))

    it.scoped("the reason is in the server's log", () => {
      const { layer, lines } = makeRecords()
      return Effect.gen(function*() {
        yield* events(Responder.make(() => Stream.fail("secret reason")))
        assert.match(lines.join("\n"), /The responder failed.*secret reason/)
      }).pipe(Effect.provide(layer))
    })

    it.scoped("the package's client fails with what the service said", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ responder: Responder.make(() => Stream.fail("secret reason")) })
        const error = yield* Effect.flip(GPTalk.generateText({ prompt: "Hi" })).pipe(
          Effect.provide(layerClient(server, { retries: 0 }))
        )
        assert.include(error, { _tag: "ServiceError", step: "stream", code: 500, detail: "The responder failed." })
      }))
  })

  describe("a client that goes away", () => {
    it.scoped("interrupts the responder that waits", () =>
      Effect.gen(function*() {
        const isInterrupted = yield* Deferred.make<void>()
        const never = Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Deferred.succeed(isInterrupted, void 0)))
        const server = yield* TestServer.make({
          responder: Responder.make(() => Stream.concat(Stream.make("Hi"), never))
        })
        const token = yield* TestServer.newStreamToken(server)
        const controller = new AbortController()
        const response = yield* Effect.promise(() =>
          fetch(TestServer.streamUrl(server, token), { signal: controller.signal })
        )
        yield* Effect.promise(() => response.body!.getReader().read())
        controller.abort()
        yield* Deferred.await(isInterrupted)
      }))

    const path = (token: string) => `${Protocol.paths.stream}?token=${token}`
    const get = (token: string) => Raw.head("GET", path(token))
    const upgrade = { connection: "upgrade", upgrade: "h2c" }
    for (
      const [name, count, toBytes] of [
        ["all replies that it asked for at once", 3, (...tokens) => tokens.map(get).join("")],
        [
          "a reply that it asked for with a long body",
          1,
          (token) => Raw.head("GET", path(token!), { "content-length": 1e6 }) + "x".repeat(1e6)
        ],
        [
          "a reply before a request for another protocol",
          1,
          (token) => get(token!) + Raw.head("GET", "/api/chatgpt/x", upgrade)
        ]
      ] satisfies ReadonlyArray<[string, number, (...tokens: ReadonlyArray<string>) => string]>
    ) {
      it.scoped(`interrupts ${name} on one connection`, () =>
        Effect.gen(function*() {
          let running = 0
          const never = Stream.acquireRelease(Effect.sync(() => running++), () => Effect.sync(() => running--)).pipe(
            Stream.flatMap(() => Stream.never)
          )
          const server = yield* TestServer.make({ responder: Responder.make(() => never) })
          const tokens = yield* Effect.replicateEffect(TestServer.newStreamToken(server), count)
          const raw = yield* Raw.open(server.port)
          yield* Effect.fork(Raw.write(raw, toBytes(...tokens)))
          yield* eventually(() => assert.strictEqual(running, count))
          raw.socket.destroy()
          yield* eventually(() => assert.strictEqual(running, 0))
        }))
    }

    it.scoped("is not logged as a failure", () => {
      const { layer, lines } = makeRecords()
      return Effect.gen(function*() {
        const { responder, seen } = makeEndless()
        const server = yield* TestServer.make({ responder, isLogging: true })
        yield* Stream.runDrain(Stream.take(GPTalk.streamText({ prompt: "Hi" }), 1)).pipe(
          Effect.provide(layerClient(server))
        )
        yield* eventually(() => assert.strictEqual(seen.interrupted, 1))
        assert.notInclude(lines.join("\n"), "The responder failed")
      }).pipe(Effect.provide(layer))
    })

    it.scopedLive("three deltas of an endless reply, and the socket is closed within a second", () =>
      Effect.gen(function*() {
        const { responder, seen } = makeEndless()
        const server = yield* TestServer.make({ responder })
        const deltas = yield* Stream.runCollect(Stream.take(GPTalk.streamText({ prompt: "Hi" }), 3)).pipe(
          Effect.provide(layerClient(server))
        )
        const end = Date.now() + 1000
        yield* eventually(() => assert.isTrue(seen.interrupted === 1 && server.streamSockets[0]!.destroyed))
        assert.isBelow(Date.now(), end)
        assert.strictEqual(deltas.length, 3)
      }))
  })

  it.scoped("deltas are sent one by one, as they come", () =>
    Effect.gen(function*() {
      const next = yield* Effect.makeSemaphore(1)
      const responder = Responder.make(() => Stream.tap(Stream.make("a", "b", "c"), () => next.take(1)))
      const server = yield* TestServer.make({ responder })
      const deltas = yield* GPTalk.streamText({ prompt: "Hi" }).pipe(
        Stream.tap(() => next.release(1)),
        Stream.runCollect,
        Effect.provide(layerClient(server))
      )
      assert.deepStrictEqual([...deltas], ["a", "b", "c"])
    }))

  describe("deltas that are there together", () => {
    const deltas = Array.from({ length: 1000 }, (_, index) => `${index} `)

    it.scoped("are a frame each, in order", () =>
      Effect.gen(function*() {
        const frames = (yield* events(Responder.make(() => Stream.fromIterable(deltas)))).split("\n\n").slice(0, -2)
        const texts = frames.map((frame) => JSON.parse(frame.slice("data: ".length)).content)
        assert.deepStrictEqual(texts, deltas.map((_, index) => deltas.slice(0, index + 1).join("")))
      }))

    it.scoped("are sent at once, however far away the next is", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({
          responder: Responder.make(() => Stream.concat(Stream.make("a", "", "b"), Stream.never))
        })
        const seen = yield* GPTalk.streamText({ prompt: "Hi" }).pipe(
          Stream.take(2),
          Stream.runCollect,
          Effect.provide(layerClient(server))
        )
        assert.deepStrictEqual([...seen], ["a", "b"])
      }))

    it.scoped("are written in few pieces, of 64 KiB and a frame at most", () =>
      Effect.gen(function*() {
        const server = yield* TestServer.make({ responder: Responder.make(() => Stream.fromIterable(deltas)) })
        const sizes: Array<number> = []
        server.http.prependListener("request", (_, response) => {
          const write = response.write.bind(response) as (chunk: Uint8Array) => boolean
          response.write = (chunk: Uint8Array) => {
            sizes.push(chunk.length)
            return write(chunk)
          }
        })
        const { body } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
        assert.strictEqual(sizes.reduce((sum, size) => sum + size, 0), new TextEncoder().encode(body).length)
        const largest = 64 * 1024 + deltas.join("").length + 100
        assert.isBelow(Math.max(...sizes), largest)
        assert.isBelow(sizes.length, body.length / (64 * 1024) + 2)
      }))
  })

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

  it.scoped("each layer has sessions of its own", () =>
    Effect.gen(function*() {
      const session = yield* TestServer.newSession(yield* TestServer.make())
      assert.strictEqual((yield* TestServer.text(yield* TestServer.make(), session)).status, 401)
    }))

  it.scoped("replies run side by side", () =>
    Effect.gen(function*() {
      const areBoth = yield* Deferred.make<void>()
      let running = 0
      const meet = Effect.suspend(() => ++running === 2 ? Deferred.succeed(areBoth, void 0) : Deferred.await(areBoth))
      const responder = Responder.make(() => Stream.fromEffect(Effect.as(meet, "met")))
      const server = yield* TestServer.make({ responder })
      const fibers = yield* Effect.replicateEffect(
        Effect.fork(GPTalk.generateText({ prompt: "Hi" }).pipe(Effect.provide(layerClient(server)))),
        2
      )
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["met", "met"])
    }))
})
