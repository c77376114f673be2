import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream, TestServices } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import { spawn } from "node:child_process"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"
import { eventually } from "./utils/eventually.js"
import { makeRecords } from "./utils/logAndSpans.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const endless = Responder.make(() =>
  Stream.repeatEffect(Effect.as(Effect.promise(() => new Promise(setImmediate)), "x".repeat(100)))
)

/** A server, and what closes it: in real time, and with no help from the test. */
const makeServer = (responder: Responder.Service, options?: TestServer.Options) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const server = yield* Scope.extend(TestServer.make({ ...options, responder, keepConnections: true }), scope)
    const close = Effect.promise(() =>
      Promise.race([
        Effect.runPromise(Scope.close(scope, Exit.void)),
        new Promise((_, reject) => setTimeout(() => reject(new Error("still open after ten seconds")), 10_000))
      ])
    )
    return { server, close }
  })

const startStream = (server: TestServer.TestServer) =>
  Effect.gen(function*() {
    const token = yield* TestServer.newStreamToken(server)
    const raw = yield* Raw.open(server.port)
    yield* Raw.write(raw, Raw.head("GET", `${Protocol.paths.stream}?token=${token}`))
    yield* eventually(() => assert.include(raw.received(), "data: "))
    return raw
  })

const isFree = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ host: "127.0.0.1", port })
    socket.on("error", () => resume(Effect.succeed(true)))
    socket.on("connect", () => resume(Effect.succeed(false)))
  })

describe("a server that is closed while replies run", () => {
  it.scoped("ends them, without [DONE], and logs no failure", () => {
    const { layer, lines } = makeRecords()
    return Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      const raw = yield* startStream(server)
      yield* close
      yield* eventually(() => assert.isTrue(raw.isOver()))
      assert.notInclude(raw.received(), "[DONE]")
      assert.notMatch(lines.join("\n"), /responder|defect/)
    }).pipe(Effect.provide(layer))
  })

  it.scoped("gives its port free", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      yield* startStream(server)
      yield* close
      assert.isTrue(yield* isFree(server.port))
    }))

  it.scoped("interrupts a responder that is silent", () =>
    Effect.gen(function*() {
      const isInterrupted = yield* Deferred.make<void>()
      const never = Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Deferred.succeed(isInterrupted, void 0)))
      const { close, server } = yield* makeServer(Responder.make(() => Stream.concat(Stream.make("Hi"), never)))
      yield* startStream(server)
      yield* close
      yield* Deferred.await(isInterrupted)
    }))

  it.scoped("ends one that middleware has kept from beginning until then", () =>
    Effect.gen(function*() {
      const isHere = yield* Deferred.make<void>()
      const mayGoOn = yield* Deferred.make<void>()
      const wait = Effect.zipRight(Deferred.succeed(isHere, void 0), Deferred.await(mayGoOn))
      const middleware = TestServer.aroundStream((handler) => Effect.zipRight(wait, handler))
      const { close, server } = yield* makeServer(endless, { middleware })
      const raw = yield* Raw.open(server.port)
      const token = yield* TestServer.newStreamToken(server)
      yield* Raw.write(raw, Raw.head("GET", `${Protocol.paths.stream}?token=${token}`, { connection: "close" }))
      yield* Deferred.await(isHere)
      const closing = yield* Effect.fork(close)
      yield* eventually(() => assert.isFalse(server.http.listening))
      yield* Deferred.succeed(mayGoOn, void 0)
      yield* Fiber.join(closing)
      assert.notInclude(raw.received(), "data: ")
    }))

  it.scoped("does not wait for a client that has stopped reading", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      const raw = yield* startStream(server)
      raw.socket.pause()
      yield* eventually(() => assert.isTrue([...server.sockets].some((socket) => socket.writableNeedDrain)))
      yield* close
    }))

  it.scoped("does not wait for a body that never ends", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, `${Raw.head("POST", Protocol.paths.login, { "content-length": 100 })}{"finger`)
      yield* eventually(() => assert.strictEqual(server.requests.length, 1))
      yield* close
    }))

  it.scoped("does not wait for a body of unknown length that never ends", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, `${Raw.head("POST", Protocol.paths.login, { "transfer-encoding": "chunked" })}1\r\n{\r\n`)
      yield* eventually(() => assert.strictEqual(server.requests.length, 1))
      yield* close
    }))

  it.scoped("does not wait for a body that middleware has given up on", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless, { middleware: TestServer.impatient })
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, `${Raw.head("POST", Protocol.paths.login, { "content-length": 100 })}{`)
      yield* eventually(() => assert.match(raw.received(), /^HTTP\/1\.1 408 /))
      // A connection on which something still comes is not closed for being idle.
      const trickle = setInterval(() => raw.socket.write(" "), 1000)
      yield* Effect.ensuring(close, Effect.sync(() => clearInterval(trickle)))
    }).pipe(TestServices.provideLive))

  it.scoped("ends many of them", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(endless)
      const readers = yield* Effect.replicateEffect(startStream(server), 20)
      yield* close
      yield* eventually(() => assert.isTrue(readers.every(({ isOver }) => isOver())))
    }))

  it.scoped("leaves the package's client with the text so far", () =>
    Effect.gen(function*() {
      const { close, server } = yield* makeServer(Responder.make(() => Stream.concat(Stream.make("Hi"), Stream.never)))
      const hasBegun = yield* Deferred.make<void>()
      const reply = yield* GPTalk.streamText({ prompt: "Hi" }).pipe(
        Stream.runForEach(() => Deferred.succeed(hasBegun, void 0)),
        Effect.flip,
        Effect.provide(Layer.provide(GPTalk.layer({ url: server.url }), FetchHttpClient.layer)),
        Effect.fork
      )
      yield* Deferred.await(hasBegun)
      yield* close
      assert.include(yield* Fiber.join(reply), { _tag: "IncompleteReplyError", text: "Hi" })
    }))

  it.scoped("lets its process end", () =>
    Effect.gen(function*() {
      const program = fileURLToPath(new URL("./utils/endlessServer.ts", import.meta.url))
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--import", "tsx", program], { stdio: ["ignore", "pipe", "inherit"] })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const ended = yield* Deferred.make<string | number | null>()
      child.on("exit", (code, signal) => Deferred.unsafeDone(ended, Effect.succeed(signal ?? code)))
      yield* Effect.async<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
      })
      child.kill("SIGTERM")
      assert.strictEqual(yield* Deferred.await(ended), 0)
    }))
})
