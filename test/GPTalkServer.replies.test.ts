import { FetchHttpClient, HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option, Scope, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import { eventually, pause } from "./utils/eventually.js"
import { post, webHandler } from "./utils/hosts.js"
import { makeRecords } from "./utils/logAndSpans.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const { events, layerClient } = TestServer

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

class User extends Context.Tag("User")<User, string>() {}

describe("GPTalkServer", () => {
  it.scopedLive("a responder finds its request, and what middleware provides for that", () =>
    Effect.gen(function*() {
      const responder = Responder.make(() =>
        Stream.fromEffect(Effect.gen(function*() {
          const user = yield* Effect.serviceOption(User)
          const request = yield* Effect.serviceOption(HttpServerRequest.HttpServerRequest)
          return `${Option.getOrNull(user)} asks with ${Option.getOrThrow(request).headers["x-mine"]}`
        }))
      )
      const middleware = TestServer.aroundStream(Effect.provideService(User, "bob"))
      const { url } = yield* TestServer.make({ responder, middleware })
      const reply = GPTalk.generateText({ prompt: "Hi" }).pipe(
        Effect.provide(Layer.provide(GPTalk.layer({ url, headers: { "x-mine": "7" } }), FetchHttpClient.layer))
      )
      assert.strictEqual(yield* reply, "bob asks with 7")
    }))

  it.scopedLive("the scope of a responder is that of its reply, though middleware closes one of the request", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const responder = Responder.make(() =>
        Stream.fromEffect(Effect.gen(function*() {
          const scope = yield* Effect.serviceOption(Scope.Scope)
          if (Option.isSome(scope)) yield* Scope.addFinalizer(scope.value, Effect.sync(() => events.push("closed")))
          events.push("used")
          return "Hi"
        }))
      )
      const server = yield* TestServer.make({ responder, middleware: TestServer.aroundStream(Effect.scoped) })
      yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
      assert.strictEqual(events[0], "used")
    }))

  it.scoped("no frame ends within a character, wherever the responder cuts its text", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* events(Responder.make(() => Stream.make("Hi \ud83d", "\ude00! \ud83d"))),
        "data: {\"content\":\"Hi \"}\n\ndata: {\"content\":\"Hi 😀! \"}\n\n" +
          "data: {\"content\":\"Hi 😀! \ufffd\"}\n\ndata: [DONE]\n\n"
      )
    }))

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

    it.scoped("where a finalizer dies, the reply is cut off, and the defect is in the server's log", () => {
      const { layer, lines } = makeRecords()
      const dying = Stream.ensuring(Stream.make("Hi"), Effect.dieMessage("secret reason"))
      return Effect.gen(function*() {
        const server = yield* TestServer.make({
          responder: Responder.make(() => Stream.concat(dying, Stream.make("!")))
        })
        const error = yield* Effect.flip(GPTalk.generateText({ prompt: "Hi" })).pipe(
          Effect.provide(layerClient(server, { retries: 0 }))
        )
        assert.include(error, { _tag: "IncompleteReplyError", text: "Hi" })
        yield* eventually(() => assert.match(lines.join("\n"), /A defect of a finalizer.*secret reason/))
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

    it.scoped.each([0, 1])(
      "interrupts the responder of a web request by its signal alone, %s chunks read",
      (chunks) =>
        Effect.gen(function*() {
          const { responder, seen } = makeEndless()
          const send = yield* webHandler({ responder, maxReplies: 1 })
          const { body: login } = yield* post(send, Protocol.paths.login, TestServer.loginBody)
          const open = (signal: AbortSignal | null = null) =>
            Effect.gen(function*() {
              const authorization = `Bearer ${login.data.token}`
              const { body: { data } } = yield* post(send, Protocol.paths.text, TestServer.textBody, authorization)
              return yield* send(path(data.token), { signal })
            })
          const controller = new AbortController()
          const response = yield* open(controller.signal)
          const reader = response.body!.getReader()
          for (let index = 0; index < chunks; index++) yield* Effect.promise(() => reader.read())
          assert.strictEqual((yield* open()).status, 429)
          controller.abort()
          yield* eventually(() => assert.strictEqual(seen.interrupted, 1))
          assert.strictEqual((yield* open()).status, 200)
        })
    )

    it.scoped("is not logged as a failure", () => {
      const { layer, lines } = makeRecords()
      return Effect.gen(function*() {
        const { responder, seen } = makeEndless()
        const server = yield* TestServer.make({ responder, isLogging: true })
        yield* Stream.runDrain(Stream.take(GPTalk.streamText({ prompt: "Hi" }), 1)).pipe(
          Effect.provide(layerClient(server))
        )
        yield* eventually(() => assert.strictEqual(seen.interrupted, 1))
        yield* pause
        assert.notMatch(lines.join("\n"), /responder|defect/)
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
