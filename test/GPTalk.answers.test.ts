import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Option, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import type { GPTalkError } from "effect-gptalk/GPTalkError"
import * as MockClient from "./utils/mockClient.js"

const { provide } = MockClient

const ask = GPTalk.generateText({ prompt: "Hi" })

/** An answer whose body begins and never ends. */
const endless = (status: number, headers: Record<string, string> = {}): MockClient.Handler => () => {
  const source = new MockClient.Source()
  source.emit("{\"code\":")
  return new Response(source.response.body, { status, headers })
}

describe("GPTalk, what is answered", () => {
  describe("a session token that cannot stand in a header", () => {
    const tokens = ["abc\ndef", "abc\rdef", "токен", "abc def", "abc\u0000def", ""]
    const loginWith = (token: string) =>
      MockClient.make({ login: () => MockClient.json({ data: { token, expires_at: 4e9 } }) })

    it.effect.each(tokens)("is a ProtocolError at login: %j", (token) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(ask), { _tag: "ProtocolError", step: "login" })
      }).pipe(provide(loginWith(token))))

    it.effect.each(["abc\ndef", "токен"])("is not shown: %j", (token) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(ask)
        const visible = [JSON.stringify(error), String(error), Cause.pretty(Cause.fail(error))].join()
        assert.notMatch(visible, /abc|def|токен/)
      }).pipe(provide(loginWith(token))))

    it.effect("is not asked for again", () => {
      const client = loginWith("abc\ndef")
      return Effect.gen(function*() {
        yield* Effect.flip(ask)
        assert.deepStrictEqual(client.requests.map(({ step }) => step), ["login"])
      }).pipe(provide(client))
    })
  })

  describe("a status whose body never ends", () => {
    it.effect.each<readonly [MockClient.Step, number, GPTalkError["_tag"]]>([
      ["login", 429, "RateLimitError"],
      ["text", 429, "RateLimitError"],
      ["stream", 429, "RateLimitError"],
      ["login", 401, "AuthenticationError"],
      ["text", 401, "AuthenticationError"],
      ["login", 403, "AuthenticationError"],
      ["text", 403, "AuthenticationError"]
    ])("%s, %s: fails at once", ([step, status, tag]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(ask)
        assert.deepStrictEqual([error._tag, "step" in error && error.step], [tag, step])
      }).pipe(provide(MockClient.make({ [step]: endless(status) }), { retries: 0 })))

    it.effect.each([401, 403])("stream, %s: is a ServiceError before any timeout", (status) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(ask))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(fiber), { _tag: "ServiceError", status })
      }).pipe(provide(MockClient.make({ stream: endless(status) }), { retries: 0 })))

    it.effect("stream, 200 of JSON: is asked again when the connection breaks", () => {
      const broken: MockClient.Handler = () => {
        const source = new MockClient.Source()
        source.break()
        return new Response(source.response.body, { headers: { "content-type": "application/json" } })
      }
      const client = MockClient.make({
        stream: (received, index) => index === 0 ? broken(received, index) : MockClient.defaults.stream(received, index)
      })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(ask)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), "Hello!")
      }).pipe(provide(client))
    })

    it.effect("stream, 200 of HTML: is no stream, and not asked again", () => {
      const client = MockClient.make({ stream: endless(200, { "content-type": "text/html" }) })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(ask))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(fiber), { _tag: "ProtocolError", step: "stream" })
        assert.strictEqual(client.requests.length, 3)
      }).pipe(provide(client))
    })

    it.effect.each(["login", "text", "stream"] as const)(
      "%s, 503: is told, however short the timeout",
      (step) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.flip(ask))
          yield* TestClock.adjust("250 millis")
          assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
          const error = yield* Fiber.join(fiber)
          assert.deepInclude(error, { _tag: "ServiceError", step, status: 503 })
          assert.notProperty(error, "detail")
        }).pipe(
          provide(MockClient.make({ [step]: endless(503) }), { retries: 0, timeouts: { response: "500 millis" } })
        )
    )
  })

  describe("the words of an error", () => {
    const messages = [
      { role: "user", content: "hunter2" },
      { role: "assistant", content: "No." },
      { role: "user", content: "the second" }
    ]

    const detailOf = (msg: string, request: Parameters<typeof GPTalk.generateText>[0]) =>
      Effect.map(
        Effect.flip(GPTalk.generateText(request)).pipe(
          provide(MockClient.make({ text: () => MockClient.json({ code: 9, msg }) }))
        ),
        (error) => "detail" in error ? error.detail : error
      )

    it.effect("hold no message of a conversation, however short", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* detailOf("hunter2 is not allowed", { messages }), "[redacted] is not allowed")
      }))

    it.effect("hold no system prompt", () =>
      Effect.gen(function*() {
        const request = { messages, systemPrompt: "pirate" }
        assert.strictEqual(yield* detailOf("no pirate, please", request), "no [redacted], please")
      }))

    it.effect("are not torn apart by a prompt of one letter", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* detailOf("not available at all", { prompt: "a" }), "not available at all")
      }))

    it.effect("are the whole body, if that says that it is JSON and is not", () => {
      const answer = new Response("upstream failed", { status: 500, headers: { "content-type": "application/json" } })
      return Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(ask), { _tag: "ServiceError", step: "text", detail: "upstream failed" })
      }).pipe(provide(MockClient.make({ text: () => answer }), { retries: 0 }))
    })
  })
})
