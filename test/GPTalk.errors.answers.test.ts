import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import * as GPTalkError from "effect-gptalk/GPTalkError"
import { always, ask, failWith, visible } from "./utils/failWith.js"
import * as MockClient from "./utils/mockClient.js"

const { provideOnce: provide } = MockClient

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
      [{ error: "busy" }, { detail: "busy" }],
      [{ statusCode: 429, error: "Too Many Requests", message: "busy" }, { detail: "busy" }],
      [{ code: 0, msg: "ok", error: "busy" }, { code: 0, detail: "busy" }],
      [{ error: { code: 7, message: "busy" } }, { code: 7, detail: "busy" }],
      [{ code: 1001 }, { code: 1001 }],
      [{ code: 1001, msg: "busy", data: { token: 5 } }, { code: 1001, detail: "busy" }]
    ])("%j in place of a login is a ServiceError", ([body, expected]) =>
      Effect.gen(function*() {
        const error = yield* failWith("login", always(() => MockClient.json(body)))
        const fields = { step: "login", status: 200, retryAfter: Option.none() } as const
        assert.deepStrictEqual({ ...error }, { ...new GPTalkError.ServiceError({ ...fields, ...expected }) })
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
        assert.deepInclude(error, { _tag: "ServiceError", status: 502 })
        assert.notProperty(error, "detail")
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
      const login = "{\"data\":{\"token\":\"t\",\"expires_at\":9}}"
      const headers: Record<string, string> = isDeclared ? { "content-length": String(login.length) } : {}
      const client = MockClient.make({
        login: () => new Response(login, { headers }),
        text: () => new Response(answer)
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
})
