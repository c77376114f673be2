import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, Fiber, Layer, Option, Ref, Schema, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkError from "effect-gptalk/GPTalkError"
import * as MockClient from "./utils/mockClient.js"

const provide = (client: MockClient.MockClient, options?: GPTalk.Options) =>
  Effect.provide(Layer.provide(GPTalk.layer({ retries: 0, ...options }), client.layer))

const prompt = "a prompt that nobody must see"

const ask = GPTalk.generateText({ prompt, systemPrompt: "a system prompt that nobody must see" })

/** How a call fails when a step is answered so. */
const failWith = (step: MockClient.Step, answer: MockClient.Handler, options?: GPTalk.Options) =>
  Effect.flip(ask).pipe(provide(MockClient.make({ [step]: answer }), options))

const always = (response: () => Response): MockClient.Handler => () => response()

const lines = (...lines: ReadonlyArray<string>) => always(() => MockClient.eventStream(...lines.map((_) => `${_}\n`)))

/** Everything that can be seen of an error. */
const visible = (error: unknown): string =>
  [JSON.stringify(error), String(error), Cause.pretty(Cause.fail(error)), (error as Error).stack].join("\n")

describe("GPTalk errors", () => {
  describe("JSON answers", () => {
    it.effect.each<readonly [string, () => Response, object]>([
      ["no JSON", () => new Response("hello"), { issue: "expected JSON, found other text" }],
      ["nothing", () => new Response(null), { issue: "expected JSON, found nothing" }],
      ["HTML", () => new Response("<html>", { headers: { "content-type": "text/html" } }), {
        issue: "expected JSON, found other text"
      }],
      ["a token of another kind", () => MockClient.json({ data: { token: 12345678 } }), {
        issue: "data.token: expected a string, found a number"
      }],
      ["an empty token", () => MockClient.json({ data: { token: "" } }), {
        issue: "data.token: expected a non empty string, found an empty string"
      }]
    ])("%s is a ProtocolError", ([_, response, expected]) =>
      Effect.gen(function*() {
        const error = yield* failWith("text", always(response))
        assert.deepInclude(error, { _tag: "ProtocolError", step: "text", ...expected })
        assert.notInclude(visible(error), "12345678")
      }))

    it.effect("a login without an expiry is a ProtocolError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("login", always(() => MockClient.json({ data: { token: "t" } })))
        assert.deepInclude(error, {
          _tag: "ProtocolError",
          step: "login",
          issue: "data.expires_at: expected a finite number, found nothing"
        })
      }))

    it.effect.each([0, 200, "0", "200"])(
      "a code of %s without what was asked is a ProtocolError",
      (code) =>
        Effect.gen(function*() {
          const error = yield* failWith("login", always(() => MockClient.json({ code, msg: "success" })))
          assert.strictEqual(
            error.message,
            "The service broke the protocol at login: data: expected an object, found nothing."
          )
        })
    )

    it.effect.each([0, 200, "0"])("a code of %s beside what was asked is no error", (code) => {
      const client = MockClient.make({
        text: () => MockClient.json({ code, msg: "success", data: { token: "t" } })
      })
      return Effect.gen(function*() {
        assert.strictEqual(yield* ask, "Hello!")
      }).pipe(provide(client))
    })

    it.effect.each<readonly [unknown, object]>([
      [{ code: 1001, msg: "busy" }, { code: 1001, detail: "busy" }],
      [{ code: "E1", message: "busy" }, { code: "E1", detail: "busy" }],
      [{ error: "busy" }, { code: undefined, detail: "busy" }],
      [{ error: { code: 7, message: "busy" } }, { code: 7, detail: "busy" }],
      [{ code: 1001 }, { code: 1001, detail: undefined }]
    ])("%j in place of a login is a ServiceError", ([body, expected]) =>
      Effect.gen(function*() {
        const error = yield* failWith("login", always(() => MockClient.json(body)))
        assert.deepInclude(error, { _tag: "ServiceError", step: "login", status: 200, ...expected })
      }))

    it.effect("another status is a ServiceError with the service's own words", () =>
      Effect.gen(function*() {
        const error = yield* failWith(
          "text",
          always(() => MockClient.json({ code: 9, msg: "model is gone" }, { status: 410 }))
        )
        assert.deepInclude(error, { _tag: "ServiceError", step: "text", status: 410, code: 9, detail: "model is gone" })
      }))

    it.effect("another status with plain text keeps that as its words", () =>
      Effect.gen(function*() {
        const error = yield* failWith("text", always(() => new Response("bad gateway", { status: 502 })))
        assert.deepInclude(error, { _tag: "ServiceError", status: 502, detail: "bad gateway" })
      }))

    it.effect.each<readonly [string, unknown]>([
      ["whose code says that all is well", { code: 0, msg: "the model is loading" }],
      ["that is nothing but words", "the model is loading"]
    ])("another status keeps the words of JSON %s", ([_, json]) =>
      Effect.gen(function*() {
        const error = yield* failWith("text", always(() => MockClient.json(json, { status: 500 })))
        assert.deepInclude(error, { _tag: "ServiceError", status: 500, detail: "the model is loading" })
      }))

    it.effect("another status with HTML keeps no words", () =>
      Effect.gen(function*() {
        const error = yield* failWith(
          "text",
          always(() => new Response("<html>", { status: 502, headers: { "content-type": "text/html" } }))
        )
        assert.deepInclude(error, { _tag: "ServiceError", status: 502, detail: undefined })
      }))

    it.effect("300 is no success", () =>
      Effect.gen(function*() {
        const error = yield* failWith(
          "text",
          always(() => MockClient.json({ data: { token: "abc" } }, { status: 300 }))
        )
        assert.deepInclude(error, { _tag: "ServiceError", status: 300 })
      }))

    it.effect.each<readonly [string, unknown]>([
      ["a string", "soon"],
      ["a boolean", true],
      ["an object", {}],
      ["null", null]
    ])("an issue says that %s was found", ([found, expires_at]) =>
      Effect.gen(function*() {
        const error = yield* failWith(
          "login",
          always(() => MockClient.json({ data: { token: "abc", expires_at } }))
        )
        assert.match(
          "issue" in error ? error.issue : "",
          new RegExp(`^data\\.expires_at: expected .*, found ${found}$`)
        )
      }))

    it.effect("429 is a RateLimitError", () =>
      Effect.gen(function*() {
        const error = yield* failWith("text", always(() => new Response(null, { status: 429 })))
        assert.deepInclude(error, { _tag: "RateLimitError", step: "text" })
      }))
  })

  describe("maxBodySize", () => {
    const answer = "{\"data\":{\"token\":\"t\"}}"

    it.effect.each([false, true])("an answer of that size is read (its length declared: %s)", (isDeclared) => {
      const headers: Record<string, string> = isDeclared ? { "content-length": String(answer.length) } : {}
      const login = "{\"data\":{\"token\":\"t\",\"expires_at\":9}}"
      const client = MockClient.make({
        login: () => new Response(login),
        text: () => new Response(answer, { headers })
      })
      return Effect.gen(function*() {
        assert.strictEqual(yield* ask, "Hello!")
      }).pipe(provide(client, { maxBodySize: login.length }))
    })

    it.effect.each([false, true])(
      "a larger one is a ProtocolError (its length declared: %s)",
      (isDeclared) =>
        Effect.gen(function*() {
          const headers: Record<string, string> = isDeclared ? { "content-length": "23" } : {}
          const error = yield* failWith("login", always(() => new Response(`${answer} `, { headers })), {
            maxBodySize: 22
          })
          assert.deepInclude(error, {
            _tag: "ProtocolError",
            issue: "expected an answer of at most 22 bytes, found a larger one"
          })
        })
    )

    it.effect.each(["login", "text"] as const)(
      "a larger one that never comes is told at once by its length: %s",
      (step) => {
        const source = new MockClient.Source()
        const answer = () => new Response(source.response.body, { headers: { "content-length": "1001" } })
        return Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.flip(ask))
          yield* TestClock.adjust(0)
          assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
          assert.deepInclude(yield* Fiber.join(fiber), { _tag: "ProtocolError", step })
          assert.isTrue(source.isCancelled)
        }).pipe(provide(MockClient.make({ [step]: answer }), { maxBodySize: 1000 }))
      }
    )

    it.effect("an answer without end is not read to its end", () => {
      const source = new MockClient.Source((self) => self.emit("x".repeat(100)))
      return Effect.gen(function*() {
        const error = yield* failWith("login", () => source.response, { maxBodySize: 1000 })
        assert.strictEqual(error._tag, "ProtocolError")
        // Eleven are too large. Two come at a time, and two more may wait.
        assert.isAtMost(source.pulls, 14)
        assert.isTrue(source.isCancelled)
      })
    })
  })

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

    it.effect("one that breaks before the first delta is a ConnectionError", () =>
      Effect.gen(function*() {
        const source = new MockClient.Source((self) => self.break("socket hang up"))
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
        assert.deepInclude(error, { _tag: "ServiceError", step, code: undefined, detail: "busy" })
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
      ["HTML", "text/html", "<html>", { _tag: "ProtocolError", issue: "expected an event stream, found HTML" }],
      ["HTML that holds frames", "Text/HTML", `${MockClient.frame("a")}${MockClient.done}`, { _tag: "ProtocolError" }]
    ])("an answer that says it is %s is no stream", ([_, type, body, expected]) =>
      Effect.gen(function*() {
        const error = yield* failWith("stream", always(() => new Response(body, { headers: { "content-type": type } })))
        assert.deepInclude(error, { step: "stream", ...expected })
      }))

    it.effect.each([
      "text/plain",
      "application/octet-stream",
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
