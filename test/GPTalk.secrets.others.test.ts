import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import * as Auth from "effect-gptalk/Auth"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./utils/mockClient.js"

/** Unlike each other in each piece, or else one would hide the other. */
const tokens = ["0f1e2d3c4b5a6978", "q8w7e6r5t4z3u2i1"]

const login: MockClient.Handler = ({ at }, index) =>
  MockClient.json({ data: { token: tokens[index], expires_at: at / 1000 + 3600 } })

const fingerprint = (client: MockClient.MockClient, index: number) =>
  String(client.of("login")[index]?.body?.["fingerprint"])

describe("No secret of another call of GPTalk is seen", () => {
  it.effect("in what is said to a login that both wait for", () => {
    const prompts = ["the first of two prompts", "kumquat marmalade"]
    const client = MockClient.make({
      login: () => Effect.delay(Effect.sync(() => MockClient.json({ msg: `still open: ${prompts[1]}` })), "1 second")
    })
    return Effect.gen(function*() {
      const calls = yield* Effect.forEach(
        prompts,
        (prompt) => Effect.fork(Effect.flip(GPTalk.generateText({ prompt })))
      )
      yield* TestClock.adjust("1 second")
      for (const error of yield* Fiber.join(Fiber.all(calls))) {
        assert.deepInclude(error, { _tag: "ServiceError", step: "login", detail: "still open: [redacted]" })
      }
      assert.strictEqual(client.count("login"), 1)
    }).pipe(MockClient.provide(client))
  })

  it.effect("in what is said to a login of the fingerprint of one that failed", () => {
    const client = MockClient.make({
      login: (_, index) =>
        index === 0
          ? new Response(null, { status: 503, headers: { "retry-after": "0" } })
          : MockClient.json({ msg: `device ${fingerprint(client, 0)} is blocked` }, { status: 400 })
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(GPTalk.generateText({ prompt: "Hi" }))
      assert.deepInclude(error, { _tag: "ServiceError", step: "login", detail: "device [redacted] is blocked" })
    }).pipe(MockClient.provide(client))
  })

  it.effect.each(["text", "stream"] as const)("in what %s says of the session before", (step) => {
    const client = MockClient.make({
      login,
      [step]: (received: MockClient.Received, index: number) =>
        index === 0
          ? MockClient.defaults[step](received, index)
          : MockClient.json({ msg: `in use: ${tokens[0]}, of ${fingerprint(client, 0)}` }, { status: 400 })
    })
    return Effect.gen(function*() {
      yield* GPTalk.generateText({ prompt: "Hi" })
      const error = yield* Effect.flip(GPTalk.generateText({ prompt: "Hi" }))
      assert.deepInclude(error, { _tag: "ServiceError", step, detail: "in use: [redacted], of [redacted]" })
    }).pipe(MockClient.provide(client, { usageLimit: 1 }))
  })

  it.effect("and its own is not either, however many sessions there are", () => {
    const client = MockClient.make({
      text: ({ headers }) => {
        const index = Number(headers["authorization"]?.split("-").at(-1))
        return MockClient.json({ msg: `device ${fingerprint(client, index)} is blocked` }, { status: 400 })
      }
    })
    return Effect.gen(function*() {
      const calls = Array.from({ length: 150 }, () => Effect.flip(GPTalk.generateText({ prompt: "Hi" })))
      for (const error of yield* Effect.all(calls, { concurrency: "unbounded" })) {
        assert.deepInclude(error, { _tag: "ServiceError", step: "text", detail: "device [redacted] is blocked" })
      }
    }).pipe(MockClient.provide(client, { usageLimit: 1 }))
  })

  it.effect("in what text says of a session that was issued later", () => {
    const client = MockClient.make({
      login,
      text: () =>
        Effect.delay(
          Effect.sync(() =>
            MockClient.json({ msg: `in use: ${tokens[1]}, of ${fingerprint(client, 1)}` }, { status: 400 })
          ),
          "1 second"
        )
    })
    return Effect.gen(function*() {
      const call = yield* Effect.fork(Effect.flip(GPTalk.generateText({ prompt: "Hi" })))
      yield* TestClock.adjust("500 millis")
      yield* Effect.fork(GPTalk.generateText({ prompt: "Hi" }))
      yield* TestClock.adjust("500 millis")
      const error = yield* Fiber.join(call)
      assert.deepInclude(error, { _tag: "ServiceError", step: "text", detail: "in use: [redacted], of [redacted]" })
    }).pipe(MockClient.provide(client, { usageLimit: 1 }))
  })

  it.effect.each(["login", "text"] as const)("in what %s says of any of many sessions in use", (step) => {
    const count = 120
    const client = MockClient.make({
      login: (received, index) =>
        index === count && step === "login"
          ? MockClient.json({ msg: `in use: ${fingerprint(client, 0)}` }, { status: 400 })
          : MockClient.defaults.login(received, index),
      text: (_, index) =>
        index < count
          ? Effect.never
          : MockClient.json({ msg: `in use: ${fingerprint(client, 0)}` }, { status: 400 })
    })
    return Effect.gen(function*() {
      const ask = GPTalk.generateText({ prompt: "Hi" })
      yield* Effect.forEach(Array.from({ length: count }), () => Effect.fork(ask), { discard: true })
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(ask)
      assert.deepInclude(error, { _tag: "ServiceError", step, detail: "in use: [redacted]" })
    }).pipe(MockClient.provide(client, { usageLimit: 1 }))
  })

  it.effect("in what text says of the latest 100 sessions; older ones are forgotten", () => {
    const token = (index: number) => `${index}`.padStart(8, "0")
    const client = MockClient.make({
      login: ({ at }, index) => MockClient.json({ data: { token: token(index), expires_at: at / 1000 + 3600 } }),
      text: () => MockClient.json({ msg: `in use: ${token(0)}, ${token(1)}` }, { status: 400 })
    })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      yield* Effect.replicateEffect(auth.withToken(() => Effect.void), 100, { discard: true })
      const error = yield* Effect.flip(GPTalk.generateText({ prompt: "Hi" }))
      assert.deepInclude(error, { _tag: "ServiceError", step: "text", detail: `in use: ${token(0)}, [redacted]` })
    }).pipe(
      Effect.provide(GPTalk.layerWithoutAuth()),
      Effect.provide(Layer.provideMerge(Auth.layer({ usageLimit: 1 }), client.layer))
    )
  })
})

describe("No secret of an Auth that is used alone is seen", () => {
  const use = Effect.flatMap(Auth.Auth, (auth) => auth.withToken(() => Effect.void))

  const provide = (client: MockClient.MockClient, options: Auth.Options) =>
    Effect.provide(Layer.provide(Auth.layer({ usageLimit: 1, ...options }), client.layer))

  it.effect("in what is said to a login of the headers and of the session before", () => {
    const key = "kumquat marmalade"
    const client = MockClient.make({
      login: (received, index) =>
        index === 0
          ? login(received, index)
          : MockClient.json({ msg: `${key} has ${tokens[0]}` }, { status: 400 })
    })
    return Effect.gen(function*() {
      yield* use
      assert.deepInclude(yield* Effect.flip(use), { _tag: "ServiceError", detail: "[redacted] has [redacted]" })
    }).pipe(provide(client, { headers: { "x-api-key": key } }))
  })

  it.effect("in what is said to a login, however many there are at a time", () => {
    const client = MockClient.make({
      login: (_, index) =>
        index > 0
          ? Effect.never
          : Effect.delay(
            Effect.sync(() => MockClient.json({ msg: `${fingerprint(client, 0)} is blocked` }, { status: 400 })),
            "1 second"
          )
    })
    return Effect.gen(function*() {
      const first = yield* Effect.fork(Effect.flip(use))
      yield* Effect.forkAll(Array<typeof use>(1000).fill(use))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(client.count("login"), 1001)
      assert.deepInclude(yield* Fiber.join(first), { _tag: "ServiceError", detail: "[redacted] is blocked" })
    }).pipe(provide(client, {}))
  })
})
