import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Auth from "effect-gptalk/Auth"
import * as GPTalk from "effect-gptalk/GPTalk"
import { used } from "./utils/auths.js"
import * as MockClient from "./utils/mockClient.js"

const provideAll = (client: MockClient.MockClient) =>
  Effect.provide(Layer.provideMerge(GPTalk.layerWithoutAuth(), Auth.layer()).pipe(Layer.provide(client.layer)))

const authorization = (client: MockClient.MockClient) =>
  client.of("text").map((received) => received.headers["authorization"]?.replace("Bearer session-token-", ""))

const ask = GPTalk.generateText({ prompt: "Hi" })

/** Refuses the first session. */
const refusing = (response: () => Response): MockClient.Handler => (received, index) =>
  received.headers["authorization"] === "Bearer session-token-0"
    ? response()
    : MockClient.defaults.text(received, index)

describe("Auth, refused by text", () => {
  it.effect("heals the session for a client of another copy of the package", () => {
    const client = MockClient.make({ text: refusing(() => new Response(null, { status: 401 })) })
    return Effect.gen(function*() {
      vi.resetModules()
      const other = yield* Effect.promise(() => import("effect-gptalk/GPTalk"))
      assert.notStrictEqual(other.GPTalk, GPTalk.GPTalk)
      const layer = other.layerWithoutAuth().pipe(Layer.provide(Auth.layer()), Layer.provide(client.layer))
      assert.strictEqual(yield* Effect.provide(other.generateText({ prompt: "Hi" }), layer), "Hello!")
    })
  })

  it.effect.each(
    [
      ["401", () => new Response(null, { status: 401 })],
      ["403", () => new Response(null, { status: 403 })],
      ["200 without data", () => MockClient.json({})],
      ["200 with data null", () => MockClient.json({ data: null })],
      ["200 with data empty", () => MockClient.json({ data: "" })],
      ["200 with data an empty object", () => MockClient.json({ data: {} })],
      ["200 with data an empty list, as PHP has it", () => MockClient.json({ code: 40101, msg: "spent", data: [] })],
      ["200 with data that has no token", () => MockClient.json({ data: { token: null } })],
      ["200 with a list", () => MockClient.json([])],
      ["200 with null", () => MockClient.json(null)],
      ["200 with an error in place of data", () => MockClient.json({ code: 1001, msg: "limit reached" })]
    ] as const
  )("%s is healed by a new session", ([_, response]) => {
    const client = MockClient.make({ text: refusing(response) })
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.deepStrictEqual(authorization(client), ["0", "1"])
    }).pipe(provideAll(client))
  })

  it.effect.each(
    [
      ["401", () => new Response(null, { status: 401 }), { _tag: "AuthenticationError", step: "text", status: 401 }],
      ["403", () => new Response(null, { status: 403 }), { _tag: "AuthenticationError", step: "text", status: 403 }],
      ["200 without data", () => MockClient.json({}), { _tag: "ProtocolError", step: "text" }],
      [
        "200 with an error in place of data",
        () => MockClient.json({ code: 1001, msg: "limit reached" }),
        { _tag: "ServiceError", step: "text", status: 200, code: 1001, detail: "limit reached" }
      ]
    ] as const
  )("%s fails when the new session is refused too", ([_, response, expected]) => {
    const client = MockClient.make({ text: response })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), expected)
      assert.deepStrictEqual([client.count("login"), client.count("text")], [2, 2])
    }).pipe(provideAll(client))
  })

  it.effect.each(
    [
      ["401", () => new Response(null, { status: 401 })],
      ["200 without data", () => MockClient.json({})]
    ] as const
  )("%s is known to an Auth of one's own by isRefusal", ([_, response]) => {
    const client = MockClient.make({ text: refusing(response) })
    const [first, second] = ["session-token-0", "session-token-1"].map((token) => Redacted.make(token))
    const own = Auth.Auth.of({
      withToken: (use) => Effect.catchIf(use(first!), Auth.isRefusal, () => use(second!)),
      status: Effect.succeedNone
    })
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.deepStrictEqual(authorization(client), ["0", "1"])
    }).pipe(
      Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide([client.layer, Layer.succeed(Auth.Auth, own)])))
    )
  })

  it.effect("an answer whose data has the wrong shape is no refusal", () => {
    const client = MockClient.make({ text: () => MockClient.json({ data: { token: 1 } }) })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(ask)
      assert.deepInclude(error, { _tag: "ProtocolError", step: "text" })
      assert.isFalse(Auth.isRefusal(error))
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provideAll(client))
  })

  it.effect.each(["", "<p>Welcome</p>"])("an answer that is no JSON is no refusal: '%s'", (body) => {
    const client = MockClient.make({ text: () => new Response(body) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { _tag: "ProtocolError", step: "text" })
      assert.strictEqual(client.count("login"), 1)
    }).pipe(provideAll(client))
  })

  it.effect("the session that the service counts as spent sooner is replaced without an error", () => {
    const uses = new Map<string, number>()
    const client = MockClient.make({
      text: (received, index) => {
        const token = received.headers["authorization"]!
        uses.set(token, (uses.get(token) ?? 0) + 1)
        return uses.get(token)! > 3 ? MockClient.json({ msg: "spent" }) : MockClient.defaults.text(received, index)
      }
    })
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.replicateEffect(ask, 9), Array(9).fill("Hello!"))
      assert.strictEqual(client.count("login"), 3)
    }).pipe(provideAll(client))
  })
})

describe("Auth, refused by stream", () => {
  it.effect.each([401, 403])("%s concerns the stream token, not the session", (status) => {
    const client = MockClient.make({ stream: () => new Response(null, { status }) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { _tag: "ServiceError", step: "stream", status })
      assert.deepStrictEqual([client.count("login"), client.count("text"), yield* used], [1, 1, 1])
    }).pipe(provideAll(client))
  })
})
