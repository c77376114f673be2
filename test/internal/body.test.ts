import type { HttpClientResponse } from "@effect/platform"
import { assert, describe, it, vi } from "@effect/vitest"
import { Deferred, Effect, Either, Exit, Runtime, Stream, TestServices } from "effect"
import { once } from "node:events"
import { Readable } from "node:stream"
import { runInNewContext } from "node:vm"
import { ConnectionError } from "../../src/GPTalkError.js"
import type { Handlers } from "../../src/internal/body.js"
import { Body } from "../../src/internal/body.js"
import { eventually, pause } from "../utils/eventually.js"
import { fakeTimers } from "../utils/fakeTimers.js"
import * as MockClient from "../utils/mockClient.js"

/** What the clients on Node answer with, as far as it concerns a body. */
const responseOf = (source: Readable | Response) =>
  ({ status: 200, source }) as unknown as HttpClientResponse.HttpClientResponse

const bodyOf = (source: Readable | Response) => {
  const body = new Body((error) =>
    new ConnectionError({ step: "stream", cause: { name: "Error", message: (error as Error).message } })
  )
  body.connect(responseOf(source), Runtime.defaultRuntime)
  return body
}

/** All that can be read, and then how it ended. */
const read = (source: Readable | Response) => {
  const body = bodyOf(source)
  const handlers = (text: string): Handlers<readonly [string, string]> => ({
    onChunks: (chunks) => body.read(handlers(text + Buffer.concat(chunks).toString())),
    onEnd: (end) =>
      Effect.map(Effect.either(end), (end) => [text, Either.isRight(end) ? "the end" : String(end.left)] as const)
  })
  return body.read(handlers(""))
}

/** A stream of which nobody will hear any more that it broke. */
const broken = (error?: Error) =>
  Effect.async<Readable>((resume) => {
    const source = new Readable({ read: () => {} })
    source.on("error", () => {})
    source.on("close", () => {
      source.removeAllListeners()
      resume(Effect.succeed(source))
    })
    source.destroy(error)
  })

const assertEnds = (source: Readable | Response, text: string, end: string) =>
  Effect.gen(function*() {
    const [found, ended] = yield* read(source)
    assert.strictEqual(found, text)
    assert.include(ended, end)
  })

describe("Body", () => {
  it.effect("holds its response until it is at its end, since the platform aborts one that is garbage", () =>
    Effect.gen(function*() {
      const source = new MockClient.Source()
      const body = bodyOf(source.response)
      assert.isDefined(body.response)
      source.end()
      yield* body.read({ onChunks: () => Effect.void, onEnd: () => Effect.void })
      assert.isUndefined(body.response)
    }))

  it("lets go of its response when it is closed", () => {
    const body = bodyOf(new MockClient.Source().response)
    body.close()
    assert.isUndefined(body.response)
  })

  it.scoped("keeps no process waiting once it is at its end", () =>
    Effect.gen(function*() {
      yield* fakeTimers
      const source = new MockClient.Source()
      const body = bodyOf(source.response)
      body.linger()
      assert.strictEqual(vi.getTimerCount(), 1)
      source.end()
      yield* body.read({ onChunks: () => Effect.void, onEnd: () => Effect.void })
      assert.strictEqual(vi.getTimerCount(), 0)
      body.linger()
      assert.strictEqual(vi.getTimerCount(), 0)
    }))

  it.scoped("is closed if it is not at its end within 250 ms", () =>
    Effect.gen(function*() {
      yield* fakeTimers
      const source = new MockClient.Source()
      bodyOf(source.response).linger()
      vi.advanceTimersByTime(249)
      assert.isFalse(source.isCancelled)
      vi.advanceTimersByTime(1)
      assert.isTrue(source.isCancelled)
    }))

  it.effect("that has a chunk which is no bytes is closed", () =>
    Effect.gen(function*() {
      let isCancelled = false
      const source = new ReadableStream({
        pull: (controller) => controller.enqueue("text"),
        cancel: () => {
          isCancelled = true
        }
      }, { highWaterMark: 0 })
      assert.include((yield* read({ body: source } as Response))[1], "not a Uint8Array")
      assert.isTrue(isCancelled)
    }))

  describe("of an Effect stream", () => {
    const connect = (stream: Stream.Stream<Uint8Array>) =>
      Effect.map(Effect.runtime<never>(), (runtime) => {
        const body = new Body(() => new ConnectionError({ step: "stream", cause: { name: "Error", message: "died" } }))
        body.connect({ status: 200, stream } as unknown as HttpClientResponse.HttpClientResponse, runtime)
        return body
      })

    it.effect("that dies fails", () =>
      Effect.gen(function*() {
        const body = yield* connect(Stream.die("a defect"))
        const end = body.read({ onChunks: () => Effect.void, onEnd: (end) => end })
        assert.deepInclude(yield* Effect.flip(end), { _tag: "ConnectionError" })
      }))

    it.effect("is interrupted when it is closed, though it was begun where nothing can be", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        const never = Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
        const body = yield* Effect.uninterruptible(connect(Stream.fromEffect(never)))
        yield* pause
        body.close()
        yield* pause
        assert.isTrue(yield* Deferred.isDone(interrupted))
      }))

    it.effect("that nobody reads on is asked for one more chunk at most", () =>
      Effect.gen(function*() {
        let sent = 0
        const send = Effect.sync(() => {
          sent++
          return Buffer.from("a")
        })
        const body = yield* connect(Stream.take(Stream.repeatEffect(send), 100))
        const handlers: Handlers<number> = {
          onChunks: (chunks) => Effect.succeed(chunks.length),
          onEnd: () => Effect.succeed(0)
        }
        const taken = yield* body.read(handlers)
        yield* pause
        assert.strictEqual(sent, taken + 1)
        body.close()
      }))
  })

  it.effect("that fails to be cancelled does so in silence", () =>
    Effect.gen(function*() {
      const rejections: Array<unknown> = []
      const listener = (error: unknown) => void rejections.push(error)
      process.on("unhandledRejection", listener)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", listener)))
      bodyOf(new Response(new ReadableStream({ cancel: () => Promise.reject(new Error("no")) }))).close()
      yield* pause
      assert.deepStrictEqual(rejections, [])
    }).pipe(Effect.scoped))

  describe("of a Node stream", () => {
    it.effect("is read to its end", () =>
      assertEnds(Readable.from([Buffer.from("a"), Buffer.from("b")]), "ab", "the end"))

    it.effect("that failed before anyone listened fails with the same error", () =>
      Effect.flatMap(broken(new Error("socket hang up")), (source) => assertEnds(source, "", "socket hang up")))

    it.effect("that was closed before anyone listened fails", () =>
      Effect.flatMap(broken(), (source) => assertEnds(source, "", "the connection was closed")))

    it.effect("that was empty and came to its end before anyone listened is at its end", () =>
      Effect.gen(function*() {
        const source = Readable.from([])
        yield* Effect.promise(() => once(source.resume(), "close"))
        yield* assertEnds(source, "", "the end")
      }))

    it.effect("that breaks while it is read fails with the same error, after what has come", () =>
      Effect.gen(function*() {
        const source = new Readable({ read: () => {} })
        source.push("a")
        setImmediate(() => source.destroy(new Error("socket hang up")))
        yield* assertEnds(source, "a", "socket hang up")
      }))

    it.effect("that is closed while it is read fails, after what has come", () =>
      Effect.gen(function*() {
        const source = new Readable({ read: () => {} })
        source.push("a")
        setImmediate(() => source.destroy())
        yield* assertEnds(source, "a", "the connection was closed")
      }))
  })

  describe("of a web stream", () => {
    it.effect("with bytes of another realm is read", () => {
      const bytes = runInNewContext("new Uint8Array([97, 98])") as Uint8Array<ArrayBuffer>
      const source = new ReadableStream({
        start: (controller) => {
          controller.enqueue(bytes)
          controller.close()
        }
      })
      return assertEnds({ body: source } as Response, "ab", "the end")
    })

    it.effect("is read to its end", () => assertEnds(MockClient.eventStream("a", "b", "c"), "abc", "the end"))

    it.effect("that has empty chunks is read to its end", () =>
      assertEnds(MockClient.eventStream("", "a", "", "", "", "b", ""), "ab", "the end"))

    it.effect("gives two chunks at a time if they are there", () =>
      Effect.gen(function*() {
        const body = bodyOf(MockClient.eventStream("a", "b", "c", "d", "e"))
        const handlers = (sizes: ReadonlyArray<number>): Handlers<ReadonlyArray<number>> => ({
          onChunks: (chunks) => body.read(handlers([...sizes, chunks.length])),
          onEnd: () => Effect.succeed(sizes)
        })
        assert.deepStrictEqual(yield* body.read(handlers([])), [2, 2, 1])
      }))

    it.effect("that nobody reads on is asked for two more chunks at most", () =>
      Effect.gen(function*() {
        const source = new MockClient.Source((self) => self.emit("a"))
        const body = bodyOf(source.response)
        const handlers: Handlers<number> = {
          onChunks: (chunks) => Effect.succeed(chunks.length),
          onEnd: () => Effect.succeed(0)
        }
        const taken = yield* body.read(handlers)
        yield* pause
        assert.strictEqual(source.pulls, taken + 2)
        body.close()
      }))

    it.effect("is asked for two more chunks at most also where they have come one by one", () =>
      Effect.gen(function*() {
        let isFlood = false
        let sent = 0
        const send = (self: MockClient.Source) => {
          sent++
          self.emit("a")
        }
        const source = new MockClient.Source((self) => {
          if (isFlood) send(self)
        })
        const body = bodyOf(source.response)
        const handlers: Handlers<number> = {
          onChunks: (chunks) => Effect.succeed(chunks.length),
          onEnd: () => Effect.succeed(0)
        }
        let taken = 0
        for (let count = 0; count < 20; count++) {
          send(source)
          taken += yield* body.read(handlers)
        }
        isFlood = true
        send(source)
        yield* pause
        assert.isAtMost(sent - taken, 3)
        body.close()
      }))

    it.effect.each<readonly [string, (source: MockClient.Source) => void, string]>([
      ["bytes", (source) => source.emit("a"), "a"],
      ["the end", (source) => source.end(), "the end"]
    ])("misses no %s that come between the question and the wait", ([_, come, expected]) =>
      Effect.gen(function*() {
        const source = new MockClient.Source()
        const next = bodyOf(source.response).read<string>({
          onChunks: (chunks) => Effect.succeed(Buffer.concat(chunks).toString()),
          onEnd: () => Effect.succeed("the end")
        })
        come(source)
        yield* pause
        const exit = yield* Effect.exit(TestServices.provideLive(Effect.timeout(next, "5 seconds")))
        assert.deepStrictEqual(exit, Exit.succeed(expected))
      }))

    it.effect("that nobody waits for any more is read on to its end", () =>
      Effect.gen(function*() {
        const source = new MockClient.Source((self) => {
          if (self.pulls < 6) self.emit("a")
          else self.end()
        })
        const body = bodyOf(source.response)
        yield* pause
        body.linger()
        yield* pause
        assert.strictEqual(source.pulls, 6)
      }))

    it.effect("that nobody waits for any more is read on for no more than 64 KiB", () =>
      Effect.gen(function*() {
        const source = new MockClient.Source((self) => self.emit("a".repeat(1024)))
        const body = bodyOf(source.response)
        body.linger()
        yield* eventually(() => assert.isTrue(source.isCancelled))
        assert.isAtMost(source.pulls, 70)
      }))

    it.effect("has only its first end", () =>
      Effect.gen(function*() {
        const source = new MockClient.Source()
        const body = bodyOf(source.response)
        const error = new ConnectionError({ step: "stream", cause: { name: "Error", message: "first" } })
        body.end(Exit.fail(error))
        source.end()
        yield* pause
        const handlers: Handlers<unknown> = { onChunks: () => Effect.succeed("bytes"), onEnd: Effect.either }
        assert.deepStrictEqual(yield* body.read(handlers), Either.left(error))
      }))
  })
})
