import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import type { Socket } from "node:net"
import { clients } from "./utils/clients.js"
import * as FaultServer from "./utils/FaultServer.js"
import * as MockClient from "./utils/mockClient.js"

const { provide, streaming } = MockClient

const stream = GPTalk.streamText({ prompt: "Hi" })

/** A reply that grows by a letter whenever more is asked for, and does not end: it falls silent, but late. */
const endless = () => {
  let content = ""
  return new MockClient.Source((self) => {
    if (self.pulls <= 1000) self.emit(MockClient.frame(content += "a"))
  })
}

describe("GPTalk streams", () => {
  it.effect("hand a delta on as soon as its line has arrived", () => {
    const source = new MockClient.Source()
    return Effect.gen(function*() {
      const pull = yield* Stream.toPull(stream)
      const next = Effect.map(pull, Chunk.toReadonlyArray)
      source.emit("data: {\"content\":\"a\"}\n")
      assert.deepStrictEqual(yield* next, ["a"])
      source.emit("data: {\"content\":\"ab\"}\n")
      assert.deepStrictEqual(yield* next, ["b"])
    }).pipe(Effect.scoped, provide(streaming(source)))
  })

  it.effect("end at [DONE], whether or not the connection does", () => {
    const source = new MockClient.Source()
    source.emit(MockClient.frame("a") + MockClient.done)
    return Effect.gen(function*() {
      assert.strictEqual(yield* Stream.mkString(stream), "a")
    }).pipe(provide(streaming(source)))
  })

  it.effect("end at a [DONE] whose line does not end, nor the connection", () => {
    const source = new MockClient.Source()
    source.emit(MockClient.frame("a") + "data: [DO")
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(Stream.mkString(stream))
      source.emit("NE]")
      assert.strictEqual(yield* Fiber.join(fiber), "a")
    }).pipe(provide(streaming(source)))
  })

  it.effect("end at a [DONE] with spaces behind it, in one piece and without an end of anything", () => {
    const source = new MockClient.Source()
    source.emit(`${MockClient.frame("a")}data: [DONE]${" ".repeat(40)}`)
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(Stream.mkString(stream))
      yield* TestClock.adjust(0)
      assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
      assert.strictEqual(yield* Fiber.join(fiber), "a")
    }).pipe(provide(streaming(source)))
  })

  it.effect("let go of a connection that does not end after [DONE]", () => {
    const source = new MockClient.Source()
    source.emit(MockClient.frame("a") + MockClient.done)
    return Effect.gen(function*() {
      yield* Stream.runDrain(stream)
      yield* Effect.promise(() => source.cancelled)
    }).pipe(provide(streaming(source)))
  })

  it.effect("let go at once of a connection that the consumer leaves, though [DONE] has come", () => {
    const source = new MockClient.Source()
    source.emit(MockClient.frame("a") + MockClient.frame("ab") + MockClient.done)
    return Effect.gen(function*() {
      yield* Stream.runDrain(Stream.take(stream, 1))
      assert.isTrue(source.isCancelled)
    }).pipe(provide(streaming(source)))
  })

  for (const name of ["undici", "fetch"] as const) {
    it.scopedLive(`over ${name} use a connection again, though it ends a little after [DONE]`, () =>
      Effect.gen(function*() {
        const sockets = new Set<Socket>()
        const server = yield* FaultServer.make({
          faults: {
            stream: ({ body, end, head, headers, socket }) => {
              sockets.add(socket)
              head(200, { ...headers, "transfer-encoding": "chunked" })
              socket.write(FaultServer.chunk(body.join("")))
              setTimeout(() => end(FaultServer.chunk("")), 20)
            }
          }
        })
        yield* GPTalk.generateText({ prompt: "Hi" }).pipe(
          Effect.zipLeft(Effect.sleep("60 millis")),
          Effect.repeatN(5),
          Effect.provide(Layer.provide(GPTalk.layer({ url: server.url, retries: 0 }), clients[name]))
        )
        assert.isAtMost(sockets.size, 2)
      }))
  }

  it.effect("do not read without bound after [DONE]", () => {
    const source = new MockClient.Source((self) => {
      if (self.pulls <= 1000) self.emit(": still here\n".repeat(100))
    })
    source.emit(MockClient.done)
    return Effect.gen(function*() {
      yield* Stream.runDrain(stream)
      yield* Effect.promise(() => source.cancelled)
      assert.isBelow(source.pulls, 1000)
    }).pipe(provide(streaming(source)))
  })

  it.effect("ignore what comes after [DONE]", () => {
    const client = MockClient.make({
      stream: () => MockClient.eventStream(MockClient.frame("a"), MockClient.done + MockClient.frame("abc"))
    })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Stream.mkString(stream), "a")
    }).pipe(provide(client))
  })

  it.effect("end well when [DONE] came before the connection broke", () => {
    const source = new MockClient.Source((self) => self.break())
    source.emit(`${MockClient.frame("a")}data: [DONE]`)
    return Effect.gen(function*() {
      assert.strictEqual(yield* Stream.mkString(stream), "a")
    }).pipe(provide(streaming(source)))
  })

  it.effect("end well with a [DONE] that has no line end", () => {
    const client = MockClient.make({ stream: () => MockClient.eventStream(MockClient.frame("a"), "data: [DONE]") })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Stream.mkString(stream), "a")
    }).pipe(provide(client))
  })

  it.effect("log a frame that is passed over at debug level, without what stood in it", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel.label}: ${message}`))
    const client = MockClient.make({
      stream: () => MockClient.eventStream("data: {\"content\":\"sec\n", MockClient.frame("secret"), MockClient.done)
    })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Stream.mkString(stream), "secret")
      assert.deepStrictEqual(logged, ["DEBUG: unreadable frame passed over: expected JSON, found other text"])
    }).pipe(
      provide(client),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.provide(Logger.minimumLogLevel(LogLevel.Debug))
    )
  })

  describe("back pressure", () => {
    it.effect("a consumer that stands still stops the reading", () => {
      const source = endless()
      return Effect.gen(function*() {
        yield* Effect.fork(Stream.runForEach(stream, () => Effect.never))
        yield* TestClock.adjust("1 second")
        const { pulls } = source
        assert.isAtMost(pulls, 4)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(source.pulls, pulls)
      }).pipe(provide(streaming(source)))
    })

    it.effect("a slow consumer sets the pace of the reading", () => {
      const source = endless()
      return Effect.gen(function*() {
        let taken = 0
        yield* Effect.fork(Stream.runForEach(stream, () => {
          taken++
          return Effect.sleep("1 second")
        }))
        yield* TestClock.adjust("10 seconds")
        assert.isAtLeast(taken, 10)
        assert.isAtMost(source.pulls, taken + 4)
      }).pipe(provide(streaming(source)))
    })
  })

  describe("close the connection at once", () => {
    it.effect("when the consumer has taken enough", () => {
      const source = endless()
      return Effect.gen(function*() {
        assert.strictEqual(Chunk.size(yield* Stream.runCollect(Stream.take(stream, 3))), 3)
        assert.isTrue(source.isCancelled)
      }).pipe(provide(streaming(source)))
    })

    it.effect("when the consumer fails", () => {
      const source = endless()
      const client = streaming(source)
      return Effect.gen(function*() {
        const exit = yield* Effect.exit(Stream.runForEach(stream, () => Effect.fail("no")))
        assert.deepStrictEqual(exit, Exit.fail("no"))
        assert.deepStrictEqual([source.isCancelled, client.of("stream")[0]!.signal.aborted], [true, true])
      }).pipe(provide(client))
    })

    it.effect("when the consumer is interrupted while it waits", () => {
      const source = new MockClient.Source()
      source.emit(MockClient.frame("a"))
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runDrain(stream))
        yield* TestClock.adjust("1 second")
        assert.isFalse(source.isCancelled)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(source.isCancelled)
      }).pipe(provide(streaming(source)))
    })

    it.effect("when generateText is interrupted", () => {
      const source = new MockClient.Source()
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(GPTalk.generateText({ prompt: "Hi" }))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        assert.isTrue(source.isCancelled)
      }).pipe(provide(streaming(source)))
    })

    it.effect("when the reply fails", () => {
      const source = new MockClient.Source()
      source.emit(`${MockClient.frame("a")}data: {"error":"no"}\n`)
      return Effect.gen(function*() {
        yield* Effect.exit(Stream.runDrain(stream))
        assert.isTrue(source.isCancelled)
      }).pipe(provide(streaming(source)))
    })

    it.effect.each(["text", "stream"] as const)("when the consumer is interrupted before %s answers", (step) => {
      const client = MockClient.make({ [step]: () => Effect.never })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runDrain(stream))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        assert.isTrue(client.of(step)[0]!.signal.aborted)
      }).pipe(provide(client))
    })
  })

  it.effect("that are stopped keep their use of the session", () => {
    const client = MockClient.make({ stream: () => endless().response })
    return Effect.gen(function*() {
      yield* Effect.replicateEffect(Stream.runDrain(Stream.take(stream, 1)), 6)
      assert.strictEqual(client.count("login"), 2)
    }).pipe(provide(client))
  })

  it.effect("of one service do not wait for each other", () => {
    const sources = [new MockClient.Source(), new MockClient.Source()]
    const client = MockClient.make({ stream: (_, index) => sources[index]!.response })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(Stream.mkString(stream))
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.fork(Stream.mkString(stream))
      yield* TestClock.adjust("1 second")
      sources[1]!.emit(MockClient.frame("b") + MockClient.done)
      assert.strictEqual(yield* Fiber.join(second), "b")
      assert.isTrue(Option.isNone(yield* Fiber.poll(first)))
    }).pipe(provide(client))
  })
})
