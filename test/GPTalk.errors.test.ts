import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Equal, Exit, Ref, Schema, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkError from "effect-gptalk/GPTalkError"
import { always, ask, failWith, prompt, visible } from "./utils/failWith.js"
import * as MockClient from "./utils/mockClient.js"

const { provideOnce: provide } = MockClient

const lines = (...lines: ReadonlyArray<string>) => always(() => MockClient.eventStream(...lines.map((_) => `${_}\n`)))

describe("GPTalk errors", () => {
  describe("connections", () => {
    it.effect.each(["login", "text", "stream"] as const)(
      "none at %s is a ConnectionError",
      (step) =>
        Effect.gen(function*() {
          const error = yield* failWith(step, () =>
            Effect.fail(
              new TypeError("fetch failed", {
                cause: Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" })
              })
            ))
          assert.deepInclude(error, {
            _tag: "ConnectionError",
            step,
            cause: { name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED 127.0.0.1:1" }
          })
        })
    )

    it.effect.each([
      ["before any frame", ""],
      ["after a frame without text", MockClient.frame("")]
    ])("one that breaks before the first delta, %s, is a ConnectionError", ([_, begin]) =>
      Effect.gen(function*() {
        const source = new MockClient.Source((self) => self.break("socket hang up"))
        if (begin !== "") source.emit(begin!)
        const error = yield* failWith("stream", () => source.response)
        assert.deepInclude(error, { _tag: "ConnectionError", step: "stream" })
        assert.include(error.message, "socket hang up")
      }))

    it.effect("one that breaks after a delta is an IncompleteReplyError with all that arrived", () => {
      const source = new MockClient.Source((self) => self.break())
      source.emit(MockClient.frame("Hel") + MockClient.frame("Hello"))
      return Effect.gen(function*() {
        assert.deepInclude(yield* failWith("stream", () => source.response), {
          _tag: "IncompleteReplyError",
          step: "stream",
          text: "Hello"
        })
      })
    })

    it.effect("one that ends before [DONE] is an IncompleteReplyError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", always(() => MockClient.eventStream(MockClient.frame("a\ud83d"))))
        assert.deepInclude(error, { _tag: "IncompleteReplyError", text: "a\ufffd" })
      }))

    it.effect("the deltas come before the error", () => {
      const source = new MockClient.Source((self) => self.break())
      source.emit(MockClient.frame("Hel"))
      return Effect.gen(function*() {
        const deltas = yield* Ref.make(Chunk.empty<string>())
        const exit = yield* GPTalk.streamText({ prompt }).pipe(
          Stream.tap((delta) => Ref.update(deltas, Chunk.append(delta))),
          Stream.runDrain,
          Effect.exit
        )
        assert.deepStrictEqual([[...yield* deltas], Exit.isFailure(exit)], [["Hel"], true])
      }).pipe(provide(MockClient.make({ stream: () => source.response })))
    })
  })

  describe("come back from JSON the same, whatever number the service says", () => {
    const encode = Schema.encode(Schema.parseJson(GPTalkError.GPTalkError))
    const decode = Schema.decode(Schema.parseJson(GPTalkError.GPTalkError))

    const assertComesBack = (error: GPTalkError.GPTalkError) =>
      Effect.gen(function*() {
        const json = yield* encode(error)
        const decoded = yield* decode(json)
        assert.strictEqual(decoded.message, error.message)
        assert.strictEqual(yield* encode(decoded), json)
        assert.isTrue(Equal.equals(decoded, error))
      })

    it.effect.each(["99999999999999", "9".repeat(30), "1.5"])(
      "Retry-After: %s",
      (seconds) =>
        Effect.gen(function*() {
          const error = yield* failWith(
            "text",
            always(() => new Response(null, { status: 429, headers: { "retry-after": seconds } }))
          )
          assert.strictEqual(error._tag, "RateLimitError")
          yield* assertComesBack(error)
        })
    )

    it.effect.each(["login", "text"] as const)("a code beyond all numbers at %s", (step) =>
      Effect.gen(function*() {
        const error = yield* failWith(step, always(() => new Response("{\"code\":1e999,\"msg\":\"busy\"}")))
        assert.deepInclude(error, { _tag: "ServiceError", step, detail: "busy" })
        yield* assertComesBack(error)
      }))
  })

  describe("streams", () => {
    it.effect("a frame that carries an error is a ServiceError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", lines("data: {\"code\":500,\"msg\":\"overloaded\"}"))
        assert.deepInclude(error, {
          _tag: "ServiceError",
          step: "stream",
          status: 200,
          code: 500,
          detail: "overloaded"
        })
      }))

    it.effect("which has the status of the answer, whatever that is", () =>
      Effect.gen(function*() {
        const frame = "data: {\"code\":500,\"msg\":\"overloaded\"}\n\n"
        const error = yield* failWith("stream", always(() => new Response(frame, { status: 203 })))
        assert.deepInclude(error, { _tag: "ServiceError", status: 203, code: 500 })
      }))

    it.effect.each([false, 0, {}, []])(
      "so is one with an error beside a content of %j, which is no text",
      (content) =>
        Effect.gen(function*() {
          const frame = JSON.stringify({ content, msg: "overloaded" })
          const error = yield* failWith("stream", lines(`data: ${frame}`, "data: [DONE]"))
          assert.deepInclude(error, { _tag: "ServiceError", detail: "overloaded" })
        })
    )

    it.effect("text that takes back what was handed on is a ProtocolError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", lines("data: {\"content\":\"abc\"}", "data: {\"content\":\"xyz\"}"))
        assert.strictEqual(error._tag, "ProtocolError")
        assert.notMatch(visible(error), /abc|xyz/)
      }))

    it.effect("an unreadable frame before [DONE] is a ProtocolError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", lines("data: {\"content\":\"ab", "data: [DONE]"))
        assert.strictEqual(error._tag, "ProtocolError")
      }))

    it.effect("a frame larger than maxFrameSize is a ProtocolError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", lines(`data: ${"x".repeat(100)}`), { maxFrameSize: 100 })
        assert.deepInclude(error, {
          _tag: "ProtocolError",
          issue: "expected a frame of at most 100 bytes, found a larger one"
        })
      }))

    it.effect.each<readonly [string, string, string, object]>([
      ["JSON with an error", "application/json", "{\"code\":1,\"msg\":\"gone\"}", {
        _tag: "ServiceError",
        code: 1,
        detail: "gone"
      }],
      ["JSON without an error", "application/json; charset=utf-8", "{\"data\":1}", {
        _tag: "ProtocolError",
        issue: "expected an event stream, found JSON"
      }],
      ["problem JSON", "application/problem+json", "{\"message\":\"gone\"}", { _tag: "ServiceError", detail: "gone" }],
      ["HTML, and is JSON with an error", "text/html", "{\"code\":1,\"msg\":\"gone\"}", {
        _tag: "ServiceError",
        code: 1,
        detail: "gone"
      }],
      ["HTML", "text/html", "<html>", { _tag: "ProtocolError", issue: "expected an event stream, found HTML" }],
      ["HTML that holds frames", "Text/HTML", `${MockClient.frame("a")}${MockClient.done}`, { _tag: "ProtocolError" }]
    ])("an answer that says it is %s is no stream", ([_, type, body, expected]) =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", always(() => new Response(body, { headers: { "content-type": type } })))
        assert.deepInclude(error, { step: "stream", ...expected })
      }))

    it.effect("an answer whose type does not say that it is an error is one still, and not asked for again", () => {
      const client = MockClient.make({ stream: () => new Response("{\"code\":1,\"msg\":\"gone\"}") })
      return Effect.gen(function*() {
        const fields = { _tag: "ServiceError", step: "stream", status: 200, code: 1, detail: "gone" } as const
        assert.deepInclude(yield* Effect.flip(ask), fields)
        assert.strictEqual(client.count("stream"), 1)
      }).pipe(MockClient.provide(client))
    })

    it.effect.each([
      "text/plain",
      "application/octet-stream",
      "application/jsonl",
      "text/event-stream; profile=\"json\"",
      "text/event-stream, application/json"
    ])("an answer that says it is %s is one", (type) => {
      const body = MockClient.frame("a") + MockClient.done
      const client = MockClient.make({ stream: () => new Response(body, { headers: { "content-type": type } }) })
      return Effect.gen(function*() {
        assert.strictEqual(yield* ask, "a")
      }).pipe(provide(client))
    })
  })
})
