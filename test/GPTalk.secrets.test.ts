import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Layer, Redacted, Runtime } from "effect"
import * as Auth from "effect-gptalk/Auth"
import * as GPTalk from "effect-gptalk/GPTalk"
import { inspect } from "node:util"
import { changed } from "./utils/clients.js"
import { visible } from "./utils/failWith.js"
import * as MockClient from "./utils/mockClient.js"

const prompt = "a prompt that nobody must see"
/** Unlike the token of the session in each piece, or else one would hide the other. */
const streamToken = "0f1e2d3c4b5a6978"
const secrets = /session-token-0|0f1e2d3c|nobody must see|like a pirate|[0-9a-f]{32}/

const ask = GPTalk.generateText({ prompt, systemPrompt: "sing like a pirate" })

const text: MockClient.Handler = () => MockClient.json({ data: { token: streamToken } })

/** How a call fails when a step is answered so. */
const failWith = (step: MockClient.Step, answer: MockClient.Handler) =>
  Effect.flip(ask).pipe(
    Effect.provide(Layer.provide(GPTalk.layer({ retries: 0 }), MockClient.make({ text, [step]: answer }).layer))
  )

class Unavailable extends Data.TaggedError("Unavailable")<{ readonly error: unknown }> {
  override get message() {
    return `unavailable: ${JSON.stringify(this.error)}`
  }
}

describe("No secret of GPTalk is seen", () => {
  it.effect.each(["login", "text", "stream"] as const)(
    "in what the service says of %s",
    (step) =>
      Effect.gen(function*() {
        const error = yield* failWith(step, ({ body, headers, url }) =>
          MockClient.json({
            code: JSON.stringify(body),
            msg: JSON.stringify([headers["authorization"], url.search, body])
          }, {
            status: 400
          }))
        assert.strictEqual(error._tag, "ServiceError")
        assert.notMatch(visible(error), secrets)
      })
  )

  it.effect.each(["login", "text", "stream"] as const)(
    "in what the socket says of %s",
    (step) =>
      Effect.gen(function*() {
        const error = yield* failWith(step, ({ body, headers, url }) =>
          Effect.fail(
            new Error(`failed: ${headers["authorization"]} ${url.href} ${body?.["fingerprint"]} ${body?.["content"]}`)
          ))
        assert.strictEqual(error._tag, "ConnectionError")
        assert.notMatch(visible(error), secrets)
      })
  )

  it.effect("of an earlier session in what is said to a login", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0
          ? MockClient.defaults.login(received, index)
          : MockClient.json({
            code: 5,
            msg: `still held: session-token-0, ${client.of("login")[0]?.body?.["fingerprint"]}`
          })
    })
    return Effect.gen(function*() {
      yield* GPTalk.generateText({ prompt })
      const error = yield* Effect.flip(GPTalk.generateText({ prompt }))
      assert.strictEqual(error._tag, "ServiceError")
      assert.include(error.message, "still held: [redacted], [redacted]")
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ usageLimit: 1 }), client.layer)))
  })

  it.effect("of one short message among several in what the service says", () => {
    const client = MockClient.make({ text: () => MockClient.json({ msg: "no answer to hey" }) })
    return Effect.gen(function*() {
      const messages = ["hey", "you"].map((content) => ({ role: "user", content }))
      const error = yield* Effect.flip(GPTalk.generateText({ messages }))
      assert.deepInclude(error, { _tag: "ServiceError", detail: "no answer to [redacted]" })
    }).pipe(MockClient.provideOnce(client))
  })

  it.effect("of the call that began it in what is said to a login", () => {
    const client = MockClient.make({
      login: (received, index) =>
        index === 0
          ? MockClient.defaults.login(received, index)
          : MockClient.json({ msg: `first answer this: ${prompt}` }, { status: 500 }),
      text: () => new Response(null, { status: 401 })
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(ask)
      assert.deepInclude(error, { _tag: "ServiceError", step: "login", detail: "first answer this: [redacted]" })
      assert.notMatch(visible(error), secrets)
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ retries: 0 }), client.layer)))
  })

  it.effect("of a login in what is said beside it, when the rest of it is no good", () =>
    Effect.gen(function*() {
      const error = yield* failWith("login", () =>
        MockClient.json({ data: { token: "FRESHTOKEN123", expires_at: "never" }, msg: "issued FRESHTOKEN123" }))
      assert.deepInclude(error, { _tag: "ServiceError", step: "login", detail: "issued [redacted]" })
      assert.notMatch(visible(error), /FRESH|TOKEN/)
    }))

  it.effect.each(["login", "text", "stream"] as const)("of a header in what %s answers", (step) => {
    const client = MockClient.make({
      [step]: ({ headers }: MockClient.Received) => MockClient.json({ error: headers["cookie"] })
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(GPTalk.generateText({ prompt }))
      assert.include(error.message, ": [redacted]")
    }).pipe(
      Effect.provide(Layer.provide(GPTalk.layer({ headers: { Cookie: "sid=a-cookie-of-a-user" } }), client.layer))
    )
  })

  it.effect.each(["password", "passphrase", "credential", "x-session-id", "x-signature"])("of a header %s", (name) => {
    const client = MockClient.make({ login: ({ headers }) => MockClient.json({ error: `no: ${headers[name]}` }) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(GPTalk.generateText({ prompt })), { detail: "no: [redacted]" })
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ headers: { [name]: "it-opens-the-door" } }), client.layer)))
  })

  it.effect("of a header in what is said to a login that no call has begun", () => {
    const client = MockClient.make({ login: ({ headers }) => MockClient.json({ error: `no: ${headers["cookie"]}` }) })
    return Effect.gen(function*() {
      const auth = yield* Auth.Auth
      assert.deepInclude(yield* Effect.flip(auth.withToken(() => Effect.void)), { detail: "no: [redacted]" })
    }).pipe(Effect.provide(Layer.provide(Auth.layer({ headers: { Cookie: "sid=a-cookie-of-a-user" } }), client.layer)))
  })

  it.effect.each(["login", "text", "stream"] as const)("of a parameter of the url in what %s answers", (step) => {
    const client = MockClient.make({
      [step]: ({ url }: MockClient.Received) => MockClient.json({ error: `no: ${url.searchParams.get("api_key")}` })
    })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { detail: "no: [redacted]" })
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ url: "http://localhost/?api_key=k1k2k3k4k5" }), client.layer)))
  })

  it.effect("of a session that is not of this package's Auth", () => {
    const client = MockClient.make({
      text: ({ headers }) => MockClient.json({ error: `no: ${headers["authorization"]}` })
    })
    const own = Layer.succeed(Auth.Auth, {
      withToken: (use) => use(Redacted.make("a1b2c3d4e5")),
      status: Effect.succeedNone
    })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { detail: "no: Bearer [redacted]" })
    }).pipe(Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide(own), Layer.provide(client.layer))))
  })

  it.effect("of messages with roles of the program's own", () => {
    const messages = ["alice.smith@example.com", "bob.jones@example.com"].map((role) => ({ role, content: "Hi" }))
    const client = MockClient.make({ text: ({ body }) => MockClient.json({ error: body?.["content"] }) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(GPTalk.generateText({ messages })), { detail: "[redacted]" })
    }).pipe(MockClient.provide(client))
  })

  it.effect.each(["name", "code", "message"])("in the %s of an error of the client", (field) => {
    const text: MockClient.Handler = ({ headers }) =>
      Effect.fail(Object.assign(new Error("no"), { [field]: headers["authorization"] }))
    return Effect.gen(function*() {
      const error = yield* failWith("text", text)
      assert.strictEqual(error._tag, "ConnectionError")
      assert.include(visible(error), "[redacted]")
      assert.notMatch(visible(error), secrets)
    })
  })

  it.effect("but a header that gives no access is told", () => {
    const client = MockClient.make({ text: ({ headers }) => MockClient.json({ error: `no: ${headers["x-tenant"]}` }) })
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { detail: "no: tenant-number-7" })
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ headers: { "X-Tenant": "tenant-number-7" } }), client.layer)))
  })

  const steps = ["login", "text", "stream"] as const
  const deaths = [
    ["with the error", (error: unknown) => error],
    ["with the error as the cause of another", (cause: unknown) => new Error("no answer", { cause })],
    ["with the error as one of several", (error: unknown) => new AggregateError([new Error("no answer"), error])],
    ["with the error in a field of another", (error: unknown) => new Unavailable({ error })],
    ["with the error in a list", (error: unknown) => [{ error }]],
    ["with the exit of a runtime", (error: unknown) => Runtime.makeFiberFailure(Cause.fail(error))]
  ] as const

  it.effect.each(deaths.flatMap(([how, toDefect]) => steps.map((step) => [step, how, toDefect] as const)))(
    "in the defect of a client that dies at %s %s",
    ([step, _, toDefect]) => {
      const client = MockClient.make({ text, [step]: () => Effect.fail(new Error("refused")) })
      const dying = changed(client.layer, HttpClient.transformResponse(Effect.orDieWith(toDefect)))
      return Effect.gen(function*() {
        const exit = yield* Effect.exit(ask)
        assert(Exit.isFailure(exit))
        const [defect] = Cause.defects(exit.cause)
        assert.deepInclude(defect, { _tag: "ConnectionError", step })
        assert.notMatch(visible(defect) + inspect(exit, { depth: 20 }), secrets)
      }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ retries: 0 }), dying)))
    }
  )

  it.effect.each<readonly [string, (words: string) => unknown]>([
    ["an error", (words) => new Error(words)],
    ["an error as a cause", (words) => new Error("no answer", { cause: new Error(words) })],
    ["an error whose message is made when it is read", (words) => new Unavailable({ error: { words } })],
    ["an error within itself", (words) => {
      const error = new Unavailable({ error: words })
      return Object.assign(error, { self: error })
    }],
    ["an error whose message is its own getter", (words) => ({
      get message() {
        return words
      }
    })],
    ["no thing that can be looked at", () =>
      new Proxy({}, {
        ownKeys: () => {
          throw new Error("closed")
        }
      })],
    ["behind more text than is looked at", (words) => ["\\".repeat(1_000_000), words]],
    ["behind more than is looked at", (words) => [...Array.from({ length: 10_000 }, (_, index) => index), words]],
    ["no error", (words) => words]
  ])("in a defect of the client that quotes the URL and is %s", ([_, toDefect]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ask)
      assert(Exit.isFailure(exit))
      const [defect] = Cause.defects(exit.cause)
      assert.deepInclude(defect, { _tag: "ConnectionError", step: "stream" })
      assert.notMatch(visible(defect) + inspect(exit, { depth: 20 }), secrets)
    }).pipe(Effect.provide(Layer.provide(
      GPTalk.layer({ retries: 0 }),
      MockClient.make({ text, stream: ({ url }) => Effect.die(toDefect(`no ${url.pathname}${url.search}`)) }).layer
    ))))

  it.effect.each([
    "two lines\nthat nobody must see",
    "C:\\new\\table that nobody must see",
    "100%25 that nobody must see"
  ])("in a defect of the client that quotes the body of a prompt with escapes: %j", (prompt) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(GPTalk.generateText({ prompt }))
      assert(Exit.isFailure(exit))
      assert.notMatch(Cause.pretty(exit.cause), secrets)
    }).pipe(MockClient.provide(
      MockClient.make({
        text: ({ body }) => Effect.die(new Error(`cannot send ${JSON.stringify(body)}`))
      }),
      { retries: 0 }
    )))

  it.effect("but a defect of the client that quotes none is left as it is", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ask)
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual([...Cause.defects(exit.cause)].map(String), ["Error: a bug"])
    }).pipe(Effect.provide(Layer.provide(
      GPTalk.layer({ retries: 0 }),
      MockClient.make({ stream: () => Effect.die(new Error("a bug")) }).layer
    ))))

  it.effect.each([200, 500])("in an answer of status %s that quotes its own token", (status) =>
    Effect.gen(function*() {
      const token = "another-token"
      const error = yield* failWith("login", () =>
        MockClient.json({ code: 1, msg: `could not save ${token}`, data: { token } }, { status }))
      assert.deepInclude(error, { _tag: "ServiceError", detail: "could not save [redacted]" })
    }))

  it.effect("in a frame that carries an error", () =>
    Effect.gen(function*() {
      const error = yield* failWith("stream", () =>
        MockClient.eventStream(`data: {"error":"${streamToken} of: ${prompt}"}\n`))
      assert.strictEqual(error._tag, "ServiceError")
      assert.notMatch(visible(error), secrets)
    }))
})
