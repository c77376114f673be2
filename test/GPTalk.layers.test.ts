import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigError,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  Fiber,
  FiberRef,
  Layer,
  Option,
  Redacted,
  Stream,
  TestClock,
  Tracer
} from "effect"
import * as Auth from "effect-gptalk/Auth"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import { around } from "./utils/auths.js"
import { changed } from "./utils/clients.js"
import * as MockClient from "./utils/mockClient.js"

const ask = GPTalk.generateText({ prompt: "Hi" })

const withEnv = (entries: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

/** Where a call goes, and with which model. */
const target = (
  client: MockClient.MockClient
) => [client.requests[0]?.url.origin, client.of("text")[0]?.body?.["model"]]

describe("GPTalk.layer", () => {
  it.effect("tells the model of requests that name none", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* GPTalk.GPTalk).model, "gpt-4")
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ model: "gpt-4" }), MockClient.make().layer))))

  it.effect("an answer that refuses a session is closed, though the reply goes on", () => {
    const source = new MockClient.Source()
    const client = MockClient.make({
      text: (received, index) =>
        index === 0 ? new Response(source.response.body, { status: 401 }) : MockClient.defaults.text(received, index)
    })
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.isTrue(source.isCancelled)
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer(), client.layer)))
  })

  it.effect.each<readonly [string, GPTalk.Options]>([
    ["no URL at all", { url: "gptalk" }],
    ["an empty url", { url: "" }],
    ["an ftp url", { url: "ftp://gptalk.net" }],
    ["a file url", { url: new URL("file:///etc/hosts") }],
    ["a url with credentials", { url: "http://user:secret@gptalk.net" }],
    ["a url with a user", { url: "http://secret@gptalk.net" }],
    ["a url with a password", { url: "http://:secret@gptalk.net" }],
    ["a url that only begins like http", { url: "http+unix://gptalk.net" }],
    ["an empty model", { model: "" }],
    ["a usage limit of 0", { usageLimit: 0 }],
    ["half a use", { usageLimit: 1.5 }],
    ["less than no retries", { retries: -1 }],
    ["a timeout of 0", { timeouts: { idle: 0 } }],
    ["a timeout that is no duration", { timeouts: { response: "soon" as "1 second" } }],
    ["a frame size of 0", { maxFrameSize: 0 }],
    ["a body size of 0", { maxBodySize: 0 }],
    ["a header that is no string", { headers: { a: 1 as unknown as string } }],
    ["a header without a name", { headers: { "": "a" } }],
    ["a header with a space in its name", { headers: { "x tenant": "a" } }],
    ["a header with a line end in its name", { headers: { "x-tenant\n": "a" } }],
    ["a header with a line end in its value", { headers: { "x-tenant": "a\r\nx-secret: b" } }],
    ["a header with a control character in its value", { headers: { "x-tenant": "a\u007f" } }],
    ["a header with a value that is no Latin-1", { headers: { "x-tenant": "токен" } }]
  ])("%s fails each call with InvalidRequestError, and nothing is sent", ([_, options]) => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const errors = [yield* Effect.flip(ask), yield* Effect.flip(Stream.runDrain(GPTalk.streamText({ prompt: "Hi" })))]
      for (const error of errors) {
        assert.deepInclude(error, { _tag: "InvalidRequestError" })
        assert.match(error.message, /option (\w+)/)
        assert.notInclude(error.message, "secret")
      }
      assert.strictEqual(client.requests.length, 0)
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer(options), client.layer)))
  })

  it.effect("an option that is undefined is its default", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.deepStrictEqual(target(client), ["https://gptalk.net", "gpt-3.5-turbo"])
    }).pipe(Effect.provide(
      Layer.provide(
        GPTalk.layer({ url: undefined, model: undefined, timeouts: { idle: undefined }, headers: undefined }),
        client.layer
      )
    ))
  })

  it.effect("the url may be a URL", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* ask
      assert.deepStrictEqual(target(client), ["http://a.example:81", "gpt-3.5-turbo"])
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ url: new URL("http://a.example:81") }), client.layer)))
  })

  it.effect.each(["/", "//", "/chat/", "/chat///"])("the url may end with slashes: %s", (path) => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* ask
      const before = path.replace(/\/+$/, "")
      assert.deepStrictEqual(
        client.requests.map(({ url }) => url.pathname),
        ["login", "text", "stream"].map((step) => before + Protocol.paths[step as MockClient.Step])
      )
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer({ url: `http://a.example${path}` }), client.layer)))
  })

  it.effect("each layer has a session of its own", () => {
    const client = MockClient.make()
    const askAlone = Effect.provide(ask, Layer.provide(GPTalk.layer(), client.layer))
    return Effect.gen(function*() {
      yield* Effect.zipRight(askAlone, askAlone)
      assert.strictEqual(client.count("login"), 2)
    })
  })
})

describe("GPTalk.layerConfig", () => {
  it.effect("does without any variable", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* ask
      assert.deepStrictEqual(target(client), ["https://gptalk.net", "gpt-3.5-turbo"])
    }).pipe(Effect.provide(Layer.provide(GPTalk.layerConfig(), client.layer)), withEnv({}))
  })

  it.effect("takes options that are configs", () => {
    const client = MockClient.make()
    const layer = GPTalk.layerConfig({ url: Config.string("MY_URL"), usageLimit: Config.integer("MY_LIMIT") })
    return Effect.gen(function*() {
      yield* Effect.replicateEffect(ask, 3)
      assert.deepStrictEqual([target(client)[0], client.count("login")], ["http://b.example", 3])
    }).pipe(
      Effect.provide(Layer.provide(layer, client.layer)),
      withEnv({ MY_URL: "http://b.example", MY_LIMIT: "1" })
    )
  })

  it.effect("fails with a ConfigError when an option is missing", () =>
    Effect.gen(function*() {
      const exit = yield* Layer.build(
        Layer.provide(GPTalk.layerConfig({ url: Config.string("MY_URL") }), MockClient.make().layer)
      ).pipe(Effect.scoped, Effect.exit)
      assert.isTrue(Exit.isFailure(exit) && ConfigError.isConfigError(Cause.squash(exit.cause)))
    }).pipe(withEnv({})))
})

describe("GPTalk.layerWithoutAuth", () => {
  it.effect("uses the Auth that it is given", () => {
    const client = MockClient.make()
    const auth = Layer.succeed(
      Auth.Auth,
      Auth.Auth.of({
        withToken: (use) => use(Redacted.make("given")),
        status: Effect.succeed(Option.none())
      })
    )
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.strictEqual(client.of("text")[0]!.headers["authorization"], "Bearer given")
      assert.strictEqual(client.count("login"), 0)
    }).pipe(Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide(auth), Layer.provide(client.layer))))
  })

  it.effect("layers that share an Auth share its session", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const askWith = (model: string) => Effect.provide(ask, GPTalk.layerWithoutAuth({ model }))
      yield* askWith("a")
      yield* askWith("b")
      assert.deepStrictEqual(client.of("text").map(({ body }) => body?.["model"]), ["a", "b"])
      assert.strictEqual(client.count("login"), 1)
    }).pipe(Effect.provide(Layer.provideMerge(Auth.layer(), client.layer)))
  })

  it.effect.each<readonly [string, MockClient.Handler]>([
    ["has an answer", () => MockClient.json({ data: { token: "stream-token" } })],
    ["has an answer that its client takes for a failure", () => new Response(null, { status: 410 })],
    ["is interrupted", () => Effect.never]
  ])("an Auth sees nothing of a request once it %s", ([_, answer]) => {
    const client = changed(MockClient.make({ text: answer }).layer, HttpClient.filterStatusOk)
    const seen: Array<unknown> = []
    const look = Effect.contextWithEffect((context: Context.Context<never>) => {
      const parent = Context.getOption(context, Tracer.ParentSpan)
      seen.push(
        Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
        Option.getOrUndefined(Option.map(parent, (span) => span._tag === "Span" && span.name))
      )
      return Effect.map(FiberRef.get(FiberRef.currentTracerEnabled), (isTraced) => seen.push(isTraced))
    })
    const auth = around((use) => Effect.ensuring(use, look))
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(ask)
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, [undefined, "GPTalk.generateText", true])
    }).pipe(Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide(auth), Layer.provide(client))))
  })

  it.effect("a request that an Auth gives up is aborted, though the reply goes on", () => {
    const client = MockClient.make({
      text: (received, index) => index === 0 ? Effect.never : MockClient.defaults.text(received, index)
    })
    const auth = around((use) =>
      Effect.timeoutTo(use, { duration: "1 second", onSuccess: Effect.succeed, onTimeout: () => use }).pipe(
        Effect.flatten
      )
    )
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(ask)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "Hello!")
      assert.deepStrictEqual(client.of("text").map(({ signal }) => signal.aborted), [true, false])
    }).pipe(Effect.provide(GPTalk.layerWithoutAuth().pipe(Layer.provide(auth), Layer.provide(client.layer))))
  })
})
