import { HttpBody, HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Effect, Fiber, TestClock } from "effect"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import * as Protocol from "effect-gptalk/Protocol"
import { failure, layer, program, steps } from "./utils/inMemory.js"
import * as TestServer from "./utils/TestServer.js"

describe("GPTalkTest", () => {
  describe("faults", () => {
    it.effect("refuse: there is no connection", () =>
      Effect.gen(function*() {
        const error = yield* failure({ faults: { login: GPTalkTest.refuse } })
        assert.include(error, { _tag: "ConnectionError", step: "login" })
      }))

    it.effect.each<readonly [string, GPTalkTest.Fault]>([
      ["ECONNREFUSED", GPTalkTest.refuse],
      ["ECONNRESET", GPTalkTest.cutOff()]
    ])("the connection fails as it does on Node: %s", ([code, fault]) =>
      Effect.gen(function*() {
        assert.nestedPropertyVal(yield* failure({ faults: { stream: fault } }), "cause.code", code)
      }))

    it.effect("one meets all requests of its step", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.exit(program))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* steps, ["login", "login", "login"])
      }).pipe(Effect.provide(layer({ faults: { login: GPTalkTest.refuse } }, { retries: 2 }))))

    it.effect("a list meets the requests in their order, and lets the rest through", () =>
      Effect.gen(function*() {
        const exits = yield* Effect.replicateEffect(Effect.either(program), 3)
        assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Right", "Left", "Right"])
      }).pipe(Effect.provide(layer({ faults: { text: [undefined, GPTalkTest.refuse] } }))))

    it.effect("a list meets requests at once one each", () =>
      Effect.gen(function*() {
        const clock = yield* Effect.clock
        const yielding: typeof clock = Object.create(clock, {
          currentTimeMillis: { value: Effect.zipRight(Effect.yieldNow(), clock.currentTimeMillis) }
        })
        const login = HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
        const answers = yield* Effect.withClock(Effect.all([login, login], { concurrency: "unbounded" }), yielding)
        assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [501, 502])
      }).pipe(Effect.provide(layer({ faults: { login: [GPTalkTest.answer(501), GPTalkTest.answer(502)] } }))))

    it.effect("answer: a status with a body", () =>
      Effect.gen(function*() {
        const fault = GPTalkTest.answer(503, { body: { code: 7, msg: "down for the night" } })
        const error = yield* failure({ faults: { text: fault } })
        assert.include(error, { _tag: "ServiceError", status: 503, code: 7, detail: "down for the night" })
      }))

    it.effect.each<readonly [expected: string, headers: Record<string, string>]>([
      ["application/json", {}],
      ["text/html", { "content-type": "text/html" }]
    ])("answer: a body that is no string is %s, with the headers %o", ([expected, headers]) =>
      Effect.gen(function*() {
        const response = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
        assert.strictEqual(response.headers["content-type"], expected)
      }).pipe(Effect.provide(
        GPTalkTest.layerHttpClient({ faults: { login: GPTalkTest.answer(200, { body: {}, headers }) } })
      )))

    it.effect("answer: a string is sent as it is", () =>
      Effect.gen(function*() {
        const response = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
        assert.strictEqual(yield* response.text, "<h1>Down</h1>")
        assert.strictEqual(response.headers["content-type"], "text/html")
      }).pipe(Effect.provide(GPTalkTest.layerHttpClient({
        faults: {
          login: GPTalkTest.answer(200, { body: "<h1>Down</h1>", headers: { "content-type": "text/html" } })
        }
      }))))

    it.each([100, 101, 199, 600, 999, 200.5, NaN])("answer: %d is no status that can be answered", (status) => {
      assert.throws(() => GPTalkTest.answer(status), `expected a status from 200 to 599, found ${status}`)
    })

    it.effect.each([200, 204, 304, 599])("answer: %d can be answered", (status) =>
      Effect.gen(function*() {
        const response = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
        assert.strictEqual(response.status, status)
      }).pipe(Effect.provide(GPTalkTest.layerHttpClient({ faults: { login: GPTalkTest.answer(status) } }))))

    it.effect("answer: Retry-After is what the program waits", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(program)
        yield* TestClock.adjust("19 seconds")
        assert.deepStrictEqual(yield* steps, ["login", "text"])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), "You said: Say hi")
      }).pipe(Effect.provide(
        layer({ faults: { text: [GPTalkTest.answer(429, { headers: { "retry-after": "20" } })] } }, { retries: 1 })
      )))

    const timeouts: ReadonlyArray<
      readonly [phase: "response" | "firstDelta" | "idle", after: number | undefined, duration: Duration.DurationInput]
    > = [
      ["response", undefined, "30 seconds"],
      ["firstDelta", 0, "60 seconds"],
      ["idle", 1, "60 seconds"]
    ]
    for (const [phase, after, duration] of timeouts) {
      it.effect(`stall: the ${phase} timeout`, () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(failure({ faults: { stream: GPTalkTest.stall({ after }) } }))
          yield* TestClock.adjust(duration)
          assert.include(yield* Fiber.join(fiber), { _tag: "TimeoutError", step: "stream", phase })
        }))
    }

    it.effect("cutOff: the connection breaks, and what came before it was read", () =>
      Effect.gen(function*() {
        const error = yield* failure({
          replies: [["a", "b", "c"]],
          faults: { stream: GPTalkTest.cutOff({ after: 2 }) }
        })
        assert.include(error, { _tag: "IncompleteReplyError", text: "ab" })
      }))

    it.effect("cutOff: of a JSON answer nothing can be read", () =>
      Effect.gen(function*() {
        const error = yield* failure({ faults: { text: GPTalkTest.cutOff() } })
        assert.include(error, { _tag: "ConnectionError", step: "text" })
      }))

    it.effect("cutOff: a reply that was not begun is there for the retry", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(program)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), "Hi")
      }).pipe(
        Effect.provide(layer({ replies: ["Hi"], faults: { stream: [GPTalkTest.cutOff()] } }, { retries: 1 }))
      ))

    it.effect("cutOff: a reply that was begun is used", () =>
      Effect.gen(function*() {
        yield* Effect.flip(program)
        const cause = yield* Effect.flip(Effect.sandbox(program))
        assert.match(String(cause), /a reply was asked for after all 1 were used/)
      }).pipe(Effect.provide(layer({ replies: ["1"], faults: { stream: [GPTalkTest.cutOff({ after: 1 })] } }))))

    it.effect("cutOff: is a ResponseError of the HttpClient, as on a network", () =>
      Effect.gen(function*() {
        const response = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
        assert.deepInclude(yield* Effect.flip(response.text), { _tag: "ResponseError", reason: "Decode" })
      }).pipe(Effect.provide(GPTalkTest.layerHttpClient({ faults: { login: GPTalkTest.cutOff() } }))))

    it.effect("end: the reply ends without [DONE]", () =>
      Effect.gen(function*() {
        const error = yield* failure({ replies: [["a", "b", "c"]], faults: { stream: GPTalkTest.end({ after: 3 }) } })
        assert.include(error, { _tag: "IncompleteReplyError", text: "abc" })
      }))

    it.effect("end: before the first frame, if it is not told where", () =>
      Effect.gen(function*() {
        assert.include(yield* failure({ faults: { stream: GPTalkTest.end() } }), {
          _tag: "IncompleteReplyError",
          text: ""
        })
      }))

    it.effect("line: before the first frame, if it is not told where", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* program, "")
      }).pipe(Effect.provide(layer({ faults: { stream: GPTalkTest.line("data: [DONE]") } }))))

    it.effect("line: a reply that begins with one is used", () =>
      Effect.gen(function*() {
        yield* program
        const cause = yield* Effect.flip(Effect.sandbox(program))
        assert.match(String(cause), /a reply was asked for after all 1 were used/)
      }).pipe(Effect.provide(layer({ replies: ["1"], faults: { stream: GPTalkTest.line(": hello") } }))))

    it.effect("line: an unreadable frame between good ones costs nothing", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* program, "ab")
      }).pipe(Effect.provide(
        layer({ replies: [["a", "b"]], faults: { stream: GPTalkTest.line("data: {oops", { after: 1 }) } })
      )))

    it.effect("line: an unreadable frame before [DONE] fails the reply", () =>
      Effect.gen(function*() {
        const error = yield* failure({
          replies: [["a", "b"]],
          faults: { stream: GPTalkTest.line("data: {oops", { after: 2 }) }
        })
        assert.include(error, { _tag: "ProtocolError", step: "stream" })
      }))

    it.effect("revoke: the session is over, and the program logs in anew", () =>
      Effect.gen(function*() {
        yield* Effect.replicateEffect(program, 3)
        assert.deepStrictEqual((yield* steps).filter((step) => step !== "stream"), [
          ...["login", "text"],
          ...["text", "login", "text"],
          "text"
        ])
      }).pipe(Effect.provide(layer({ faults: { text: [undefined, GPTalkTest.revoke] } }))))

    it.effect("revoke: every later request of the session gets a 401 too", () =>
      Effect.gen(function*() {
        const post = (path: string, body: unknown, authorization = "") =>
          HttpClient.post(`http://gptalk.test${path}`, { body: HttpBody.unsafeJson(body), headers: { authorization } })
        const login = yield* Effect.flatMap(
          post(Protocol.paths.login, TestServer.loginBody),
          HttpClientResponse.schemaBodyJson(Protocol.LoginResponse)
        )
        const text = post(Protocol.paths.text, TestServer.textBody, `Bearer ${login.data.token}`)
        const statuses = (yield* Effect.replicateEffect(text, 3)).map(({ status }) => status)
        assert.deepStrictEqual(statuses, [200, 401, 401])
      }).pipe(Effect.provide(GPTalkTest.layerHttpClient({ faults: { text: [undefined, GPTalkTest.revoke] } }))))

    it.effect("revoke: is answered as JSON, like every refusal of the server", () =>
      Effect.gen(function*() {
        const { headers, json, status } = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.text}`)
        assert.strictEqual(status, 401)
        assert.strictEqual(headers["content-type"], "application/json")
        assert.deepInclude(Object(yield* json), { code: 401 })
      }).pipe(Effect.provide(layer({ faults: { text: GPTalkTest.revoke } }))))

    it.effect("revoke: all sessions fails the program", () =>
      Effect.gen(function*() {
        const error = yield* failure({ faults: { text: GPTalkTest.revoke } })
        assert.include(error, { _tag: "AuthenticationError", step: "text", status: 401 })
      }))
  })
})
