import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigError,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  TestClock
} from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { inspect } from "node:util"
import * as MockClient from "./utils/mockClient.js"

type Env = Readonly<Record<string, string>>

const withEnv = (entries: Env) => Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

const ask = GPTalk.generateText({ prompt: "Hi" })

/** A program with the options of an environment. */
const inEnv = <A, E>(env: Env, client: MockClient.MockClient, program: Effect.Effect<A, E, GPTalk.GPTalk>) =>
  program.pipe(Effect.provide(Layer.provide(GPTalk.layerConfig(), client.layer)), withEnv(env))

/** Its failure, once an hour has gone by, and how much of the hour it took. */
const failsAfter = (env: Env, client: MockClient.MockClient) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.timed(Effect.flip(inEnv({ GPTALK_RETRIES: "0", ...env }, client, ask))))
    for (let count = 0; count < 4; count++) yield* TestClock.adjust("15 minutes")
    const [duration, error] = yield* Fiber.join(fiber)
    return { error, millis: Duration.toMillis(duration) }
  })

const buildError = (layer: Layer.Layer<GPTalk.GPTalk, ConfigError.ConfigError, never>, env: Env) =>
  Effect.map(
    Effect.exit(Effect.scoped(Layer.build(layer))).pipe(withEnv(env)),
    (exit) => {
      assert.isTrue(Exit.isFailure(exit), "expected a failure")
      const cause = (exit as Exit.Failure<unknown, unknown>).cause
      const error = Option.getOrThrow(Cause.failureOption(cause))
      assert.isTrue(ConfigError.isConfigError(error))
      return { message: String(error), printed: [Cause.pretty(cause), inspect(cause, { depth: 20 })].join("\n") }
    }
  )

const fails: MockClient.Handler = () => new Response(null, { status: 503, headers: { "retry-after": "0" } })

describe("GPTalk.layerConfig, each variable", () => {
  it.effect("GPTALK_URL is where it goes", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* inEnv({ GPTALK_URL: "https://a.example:8080/below" }, client, ask)
      assert.strictEqual(client.requests[0]!.url.href, "https://a.example:8080/below/api/chatgpt/user/login")
    })
  })

  it.effect("GPTALK_MODEL is asked", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* inEnv({ GPTALK_MODEL: "m" }, client, ask)
      assert.strictEqual(client.of("text")[0]!.body?.["model"], "m")
    })
  })

  it.effect("GPTALK_HEADERS are laid over the defaults", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* inEnv({ GPTALK_HEADERS: "{\"X-Mine\":\"1\",\"user-agent\":\"me, and you\"}" }, client, ask)
      for (const { headers } of client.requests) {
        assert.deepInclude(headers, { "x-mine": "1", "user-agent": "me, and you", "accept-language": "en-US,en;q=0.9" })
      }
    })
  })

  it.effect.each([["1", 6], ["2", 3], ["6", 1]] as const)("GPTALK_USAGE_LIMIT=%s", ([limit, logins]) => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* inEnv({ GPTALK_USAGE_LIMIT: limit }, client, Effect.replicateEffect(ask, 6))
      assert.strictEqual(client.count("login"), logins)
    })
  })

  it.effect.each([["0", 1], ["1", 2], ["4", 5]] as const)("GPTALK_RETRIES=%s", ([retries, attempts]) => {
    const client = MockClient.make({ text: fails })
    return Effect.gen(function*() {
      yield* failsAfter({ GPTALK_RETRIES: retries }, client)
      assert.strictEqual(client.count("text"), attempts)
    })
  })

  it.effect.each(
    [
      ["30 seconds", 30_000],
      ["30s", 30_000],
      ["30 s", 30_000],
      ["500ms", 500],
      ["500 millis", 500],
      ["1.5 min", 90_000],
      ["2m", 120_000],
      ["2 minutes", 120_000],
      ["0.5h", 1_800_000],
      [" 7s ", 7000],
      ["30 sec", 30_000],
      ["30secs", 30_000],
      ["30 SECONDS", 30_000],
      ["2 mins", 120_000],
      ["0.5 hr", 1_800_000],
      [".5s", 500],
      ["500 milliseconds", 500],
      ["1m30s", 90_000],
      ["1 min 30 s", 90_000],
      ["0.01d", 864_000],
      ["0.01days", 864_000],
      ["0.5hours", 1_800_000],
      ["1minute 30s", 90_000],
      ["500msec", 500],
      ["500millis", 500],
      ["5000000 micros", 5000],
      [" 5000000 micros ", 5000]
    ] as const
  )("GPTALK_TIMEOUT_RESPONSE='%s'", ([text, expected]) => {
    const client = MockClient.make({ text: () => Effect.never })
    return Effect.gen(function*() {
      const { error, millis } = yield* failsAfter({ GPTALK_TIMEOUT_RESPONSE: text }, client)
      assert.deepInclude(error, { _tag: "TimeoutError", step: "text", phase: "response" })
      assert.strictEqual(millis, expected)
    })
  })

  it.effect("GPTALK_TIMEOUT_RESPONSE holds for the login", () => {
    const client = MockClient.make({ login: () => Effect.never })
    return Effect.gen(function*() {
      const { error, millis } = yield* failsAfter({ GPTALK_TIMEOUT_RESPONSE: "3s" }, client)
      assert.deepInclude(error, { _tag: "TimeoutError", step: "login", phase: "response" })
      assert.strictEqual(millis, 3000)
    })
  })

  it.effect("GPTALK_TIMEOUT_FIRST_DELTA", () => {
    const client = MockClient.make({ stream: () => new MockClient.Source().response })
    return Effect.gen(function*() {
      const { error, millis } = yield* failsAfter({ GPTALK_TIMEOUT_FIRST_DELTA: "5 seconds" }, client)
      assert.deepInclude(error, { _tag: "TimeoutError", phase: "firstDelta" })
      assert.strictEqual(millis, 5000)
    })
  })

  it.effect("GPTALK_TIMEOUT_IDLE", () => {
    const source = new MockClient.Source()
    source.emit(MockClient.frame("Hi"))
    const client = MockClient.make({ stream: () => source.response })
    return Effect.gen(function*() {
      const { error, millis } = yield* failsAfter({ GPTALK_TIMEOUT_IDLE: "1.5 s" }, client)
      assert.deepInclude(error, { _tag: "TimeoutError", phase: "idle" })
      assert.strictEqual(millis, 1500)
    })
  })

  it.effect("GPTALK_MAX_FRAME_SIZE", () => {
    const client = MockClient.make({ stream: () => MockClient.reply("x".repeat(200)) })
    return Effect.gen(function*() {
      const { error } = yield* failsAfter({ GPTALK_MAX_FRAME_SIZE: "100" }, client)
      assert.deepInclude(error, { _tag: "ProtocolError", step: "stream" })
      assert.strictEqual(yield* inEnv({ GPTALK_MAX_FRAME_SIZE: "300" }, client, ask), "x".repeat(200))
    })
  })

  it.effect("GPTALK_MAX_BODY_SIZE", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      const { error } = yield* failsAfter({ GPTALK_MAX_BODY_SIZE: "10" }, client)
      assert.deepInclude(error, { _tag: "ProtocolError", step: "login" })
      assert.include(String(error), "10 bytes")
    })
  })

  it.effect.each([["true", true], ["yes", true], ["on", true], ["1", true], ["false", false], ["0", false]] as const)(
    "GPTALK_PROPAGATE_TRACE=%s",
    ([text, isSent]) => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* inEnv({ GPTALK_PROPAGATE_TRACE: text }, client, ask)
        assert.strictEqual("traceparent" in client.requests[0]!.headers, isSent)
      })
    }
  )

  it.effect("all of them at once", () => {
    const client = MockClient.make()
    const env = {
      GPTALK_URL: "http://a.example",
      GPTALK_MODEL: "m",
      GPTALK_HEADERS: "{}",
      GPTALK_USAGE_LIMIT: "1",
      GPTALK_RETRIES: "0",
      GPTALK_TIMEOUT_RESPONSE: "1s",
      GPTALK_TIMEOUT_FIRST_DELTA: "2s",
      GPTALK_TIMEOUT_IDLE: "3s",
      GPTALK_MAX_FRAME_SIZE: "1000",
      GPTALK_MAX_BODY_SIZE: "1000",
      GPTALK_PROPAGATE_TRACE: "false"
    }
    return Effect.gen(function*() {
      yield* inEnv(env, client, Effect.zip(ask, ask))
      assert.strictEqual(client.count("login"), 2)
    })
  })
})

describe("GPTalk.layerConfig, a value that is not valid", () => {
  const secret = "s3cret"

  it.effect("a time of many digits keeps nobody waiting", () =>
    Effect.gen(function*() {
      const { message } = yield* buildError(
        Layer.provide(GPTalk.layerConfig(), MockClient.make().layer),
        { GPTALK_TIMEOUT_IDLE: "1".repeat(300_000) }
      )
      assert.include(message, "GPTALK_TIMEOUT_IDLE")
    }))

  it.effect.each(
    [
      ["GPTALK_URL", ""],
      ["GPTALK_URL", secret],
      ["GPTALK_URL", `ftp://${secret}`],
      ["GPTALK_URL", `http://user:${secret}@gptalk.net`],
      ["GPTALK_MODEL", ""],
      ["GPTALK_HEADERS", ""],
      ["GPTALK_HEADERS", `authorization: ${secret}`],
      ["GPTALK_HEADERS", `{"authorization": ${secret}`],
      ["GPTALK_HEADERS", `{"authorization": ["${secret}"]}`],
      ["GPTALK_HEADERS", `["${secret}"]`],
      ["GPTALK_USAGE_LIMIT", "0"],
      ["GPTALK_USAGE_LIMIT", "-1"],
      ["GPTALK_USAGE_LIMIT", "1.5"],
      ["GPTALK_USAGE_LIMIT", "many"],
      ["GPTALK_USAGE_LIMIT", ""],
      ["GPTALK_RETRIES", "-1"],
      ["GPTALK_RETRIES", "0.5"],
      ["GPTALK_RETRIES", secret],
      ["GPTALK_RETRIES", ""],
      ["GPTALK_TIMEOUT_RESPONSE", "soon"],
      ["GPTALK_TIMEOUT_RESPONSE", "30"],
      ["GPTALK_TIMEOUT_RESPONSE", "0s"],
      ["GPTALK_TIMEOUT_RESPONSE", "-1s"],
      ["GPTALK_TIMEOUT_RESPONSE", "30 parsecs"],
      ["GPTALK_TIMEOUT_FIRST_DELTA", ""],
      ["GPTALK_TIMEOUT_FIRST_DELTA", "0 millis"],
      ["GPTALK_TIMEOUT_IDLE", "1s 2s"],
      ["GPTALK_TIMEOUT_IDLE", "constructor"],
      ["GPTALK_TIMEOUT_IDLE", "1 constructor"],
      ["GPTALK_MAX_FRAME_SIZE", "0"],
      ["GPTALK_MAX_FRAME_SIZE", "16MiB"],
      ["GPTALK_MAX_BODY_SIZE", "0"],
      ["GPTALK_MAX_BODY_SIZE", "x"],
      ["GPTALK_PROPAGATE_TRACE", "maybe"],
      ["GPTALK_PROPAGATE_TRACE", ""]
    ] as const
  )("%s='%s' is a ConfigError that names it", ([name, value]) =>
    Effect.gen(function*() {
      const client = MockClient.make()
      const env = { GPTALK_HEADERS: `{"authorization": "${secret}"}`, [name]: value }
      const { message, printed } = yield* buildError(Layer.provide(GPTalk.layerConfig(), client.layer), env)
      assert.include(message, name)
      assert.match(message, /expected/i)
      assert.notInclude(message + printed, secret)
      assert.strictEqual(client.requests.length, 0)
    }))

  it.effect("its name is whole under a provider that is nested", () =>
    Effect.gen(function*() {
      const layer = Layer.provide(GPTalk.layerConfig(), MockClient.make().layer)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.deepInclude(error, { path: ["APP", "GPTALK_RETRIES"] })
    }).pipe(Effect.withConfigProvider(
      ConfigProvider.fromMap(new Map([["APP.GPTALK_RETRIES", "x"]])).pipe(ConfigProvider.nested("APP"))
    )))
})

describe("GPTalk.layerConfig, with configs of one's own", () => {
  it.effect.each<Config.Config.Wrap<GPTalk.Options>>([{}, { timeouts: {} }, { headers: {} }])(
    "without any, the defaults hold: %j",
    (options) => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* ask.pipe(Effect.provide(Layer.provide(GPTalk.layerConfig(options), client.layer)))
        assert.strictEqual(client.requests[0]?.url.origin, "https://gptalk.net")
      })
    }
  )

  it.effect("options may be configs, nested or whole", () => {
    const client = MockClient.make({ text: () => Effect.never })
    const layer = GPTalk.layerConfig({
      url: Config.map(Config.string("HOST"), (host) => `https://${host}`),
      retries: Config.succeed(0),
      timeouts: { response: Config.duration("PATIENCE") }
    })
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(
        Effect.flip(ask).pipe(Effect.timed, Effect.provide(Layer.provide(layer, client.layer)))
      )
      yield* TestClock.adjust("1 minute")
      const [duration, error] = yield* Fiber.join(fiber)
      assert.deepInclude(error, { _tag: "TimeoutError" })
      assert.strictEqual(Duration.toMillis(duration), 4000)
      assert.strictEqual(client.requests[0]!.url.origin, "https://a.example")
    }).pipe(withEnv({ HOST: "a.example", PATIENCE: "4 seconds" }))
  })

  it.effect("one config may give all options", () => {
    const client = MockClient.make()
    const layer = GPTalk.layerConfig(Config.map(Config.string("MODE"), (mode) => ({ model: mode, usageLimit: 1 })))
    return Effect.gen(function*() {
      yield* Effect.zip(ask, ask).pipe(Effect.provide(Layer.provide(layer, client.layer)))
      assert.deepStrictEqual([client.of("text")[0]!.body?.["model"], client.count("login")], ["m", 2])
    }).pipe(withEnv({ MODE: "m" }))
  })

  it.effect("they take the place of the variables", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* ask.pipe(Effect.provide(Layer.provide(GPTalk.layerConfig({ model: Config.succeed("m") }), client.layer)))
      assert.strictEqual(client.requests[0]!.url.origin, "https://gptalk.net")
    }).pipe(withEnv({ GPTALK_URL: "http://a.example", GPTALK_RETRIES: "x" }))
  })

  it.effect("a value that they give and that is not valid is a ConfigError that names the option", () =>
    Effect.gen(function*() {
      const layer = GPTalk.layerConfig({ url: Config.string("MY_URL") })
      const { message, printed } = yield* buildError(
        Layer.provide(layer, MockClient.make().layer),
        { MY_URL: "http://user:s3cret@gptalk.net" }
      )
      assert.include(message, "url")
      assert.notInclude(message + printed, "s3cret")
    }))
})
