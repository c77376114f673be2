import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import { networkInterfaces } from "node:os"
import type { Child, Options } from "./utils/Child.js"
import { run, runOnTerminal } from "./utils/Child.js"
import { eventually } from "./utils/eventually.js"
import { bundled, hasNoEscapes, live, nowhere } from "./utils/examples.js"
import * as OpenAiServer from "./utils/OpenAiServer.js"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

const file = bundled("chat", "serve", "stream", "async-iterable", "mock-client", "language-model", "telemetry", "proxy")

const example = (name: string, args: ReadonlyArray<string> = [], options?: Options) =>
  run(process.execPath, [file(name), ...args], options)

/** The end of a program that waits for nothing, least of all for a timeout of its client, which is 30 seconds. */
const endOf = (child: Child) => Effect.timeout(child.ended, "25 seconds")

describe.concurrent("examples", () => {
  for (
    const [name, words] of [
      ["chat", ["<prompt>...", "GPTALK_URL", "GPTALK_MODEL", "GPTALK_PROXY"]],
      ["serve", ["default: 127.0.0.1.", "default: 8787.", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"]]
    ] as const
  ) {
    live(`${name} explains itself`, () =>
      Effect.gen(function*() {
        const { code, stdout } = yield* (yield* example(name, ["--help"])).ended
        assert.strictEqual(code, 0)
        for (const word of words) assert.include(stdout, word)
        hasNoEscapes(stdout)
      }))
  }

  describe("serve", () => {
    const listen = (options?: Options, args: ReadonlyArray<string> = []) =>
      Effect.gen(function*() {
        const server = yield* example("serve", ["--port", "0", ...args], options)
        const line = yield* server.seeError(/Listening on \S+ \(.*\)\n/)
        return { server, line, url: /http:\S+/.exec(line)![0] }
      })

    const connect = (url: string) =>
      Effect.flatMap(
        Layer.build(GPTalk.layer({ url, retries: 0 }).pipe(Layer.provide(NodeHttpClient.layerUndici))),
        (context) => Effect.provide(GPTalk.GPTalk, context)
      )

    for (
      const [what, args, env, message] of [
        ["no host", ["--host", ""], {}, /^A host is required[^\n]+\n+$/],
        ["no URL", [], { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: "api" }, /^OPENAI_BASE_URL: Expected [^\n]+\n$/],
        [
          "a URL without its protocol",
          [],
          { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: "localhost:1234/v1" },
          /^OPENAI_BASE_URL: Expected [^\n]+\n$/
        ]
      ] as const
    ) {
      live(`says in one line that ${what} is given`, () =>
        Effect.gen(function*() {
          const { code, stderr, stdout } = yield* (yield* example("serve", [...args], { env })).ended
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
          assert.match(stderr, message)
        }))
    }

    live("echoes what was said last, and not all of a conversation", () =>
      Effect.gen(function*() {
        const gptalk = yield* connect((yield* listen()).url)
        const messages = ["Hi", "You said: Hi", "User: me\nagain"].map((content, index) => ({
          role: index === 1 ? "assistant" : "user",
          content
        }))
        assert.strictEqual(yield* gptalk.generateText({ messages }), "You said: User: me\nagain")
      }))

    live("echoes, and refuses a port that is in use", () =>
      Effect.gen(function*() {
        const { line, server, url } = yield* listen({ env: { OPENAI_BASE_URL: "not read without a key" } })
        assert.include(line, "echo")
        assert.strictEqual(yield* (yield* connect(url)).generateText({ prompt: "Hi" }), "You said: Hi")
        const { code, stderr, stdout } = yield* (yield* example("serve", ["--port", new URL(url).port])).ended
        assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
        assert.match(stderr, /^Port \d+ of 127\.0\.0\.1 is in use: [^\n]+\n$/)
        process.kill(server.pid, "SIGINT")
        assert.strictEqual((yield* server.ended).code, 0)
      }))

    // Not every machine has IPv6.
    if (Object.values(networkInterfaces()).flat().some((network) => network?.address === "::1")) {
      live("says a URL of an IPv6 address that a client can use", () =>
        Effect.gen(function*() {
          const { url } = yield* listen({}, ["--host", "::1"])
          assert.match(url, /^http:\/\/\[::1\]:\d+$/)
          assert.strictEqual(yield* (yield* connect(url)).generateText({ prompt: "Hi" }), "You said: Hi")
        }))
    }

    live("speaks HTTP/1.1 with a client that would like another protocol", () =>
      Effect.gen(function*() {
        const { url } = yield* listen()
        const raw = yield* Raw.open(Number(new URL(url).port))
        const headers = {
          connection: "upgrade",
          upgrade: "h2c",
          "content-length": JSON.stringify(TestServer.loginBody).length
        }
        yield* Raw.write(raw, Raw.head("POST", Protocol.paths.login, headers) + JSON.stringify(TestServer.loginBody))
        yield* eventually(() => assert.include(raw.received(), "\"token\""))
        assert.match(raw.received(), /^HTTP\/1\.1 200 /)
      }))

    live("ends at once, though a client holds a connection that it has not used", () =>
      Effect.gen(function*() {
        const { server, url } = yield* listen()
        yield* Raw.open(Number(new URL(url).port))
        // So that the server has seen the other one too.
        yield* (yield* connect(url)).generateText({ prompt: "Hi" })
        process.kill(server.pid, "SIGTERM")
        const [duration, { code }] = yield* Effect.timed(server.ended)
        assert.strictEqual(code, 0)
        assert.isBelow(Duration.toSeconds(duration), 10)
      }))

    for (
      const [where, rest, env] of [
        ["with NO_COLOR", "", { NO_COLOR: "1" }],
        ["on a pipe, with stdout on a terminal", "2>&1 >/dev/tty | cat", {}]
      ] as const
    ) {
      live(`logs without colours ${where}`, () =>
        Effect.gen(function*() {
          const server = yield* runOnTerminal(
            file("serve"),
            { env: { ...env, OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: nowhere } },
            `--port 0 ${rest}`
          )
          const [url] = /http:\S+/.exec(yield* server.see(/Listening on \S+ /))!
          yield* Effect.flip((yield* connect(url)).generateText({ prompt: "Hi" }))
          yield* server.see(/WARN|ERROR/)
          hasNoEscapes(server.stdout())
        }))
    }

    live("logs to stderr, and not to stdout", () =>
      Effect.gen(function*() {
        const { server, url } = yield* listen({ env: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: nowhere } })
        yield* Effect.flip((yield* connect(url)).generateText({ prompt: "Hi" }))
        yield* server.seeError(/WARN|ERROR/)
        assert.strictEqual(server.stdout(), "")
      }))

    live("asks OpenAI's model for no temperature where the client asks for none", () =>
      Effect.gen(function*() {
        const openAi = yield* OpenAiServer.make
        const { url } = yield* listen({ env: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: openAi.url } })
        const reply = yield* Effect.fork((yield* connect(url)).generateText({ prompt: "Hi" }))
        const call = yield* openAi.next
        assert.strictEqual(call.body.model, "gpt-4.1-mini")
        assert.notProperty(call.body, "temperature")
        call.say("Hello")
        call.finish()
        assert.strictEqual(yield* Fiber.join(reply), "Hello")
      }))

    live("answers from OpenAI, and ends the replies that run when it is told to end", () =>
      Effect.gen(function*() {
        const openAi = yield* OpenAiServer.make
        // It asks again, twice.
        openAi.refuse()
        openAi.refuse()
        const { line, server, url } = yield* listen({
          env: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: openAi.url, OPENAI_MODEL: "some-model" }
        })
        assert.include(line, "some-model")
        const gptalk = yield* connect(url)
        const deltas = yield* Queue.unbounded<string>()
        const reply = yield* gptalk.streamText({ prompt: "Hi", temperature: 0.5 }).pipe(
          Stream.runForEach((delta) => Queue.offer(deltas, delta)),
          Effect.flip,
          Effect.fork
        )
        const call = yield* openAi.next
        assert.strictEqual(call.authorization, "Bearer sk-test")
        assert.deepInclude(call.body, { model: "some-model", temperature: 0.5 })
        call.say("Hel")
        assert.strictEqual(yield* Queue.take(deltas), "Hel")
        process.kill(server.pid, "SIGTERM")
        assert.include(["IncompleteReplyError", "ServiceError"], (yield* Fiber.join(reply))._tag)
        yield* Effect.promise(() => call.gone)
        assert.strictEqual((yield* server.ended).code, 0)
      }))
  })

  for (
    const [name, expected] of [
      ["stream", "You said: Hello, world\n"],
      ["async-iterable", "You said: Hello, world\n"],
      ["mock-client", "Hello, mock\n"],
      [
        "language-model",
        "This is turn 1 with gpt-4. (stop)\n> This is \n> turn 1 \n> with gpt-4.\n" +
        "Ada, born in 1815\nThis is turn 2 with gpt-4.\n"
      ]
    ] as const
  ) {
    live(`${name} runs offline and ends by itself`, () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* endOf(yield* example(name))
        assert.deepStrictEqual({ code, stderr, stdout }, { code: 0, stderr: "", stdout: expected })
      }))
  }

  live("proxy runs offline and ends by itself", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* endOf(yield* example("proxy"))
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      assert.match(
        stdout,
        /^The proxy was asked for a tunnel to 127\.0\.0\.1:\d+\n(.+\n)*You said: Hello through the proxy!\n$/
      )
    }))

  live(
    "telemetry runs offline and ends by itself, with spans and metrics of the program alone",
    () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* endOf(yield* example("telemetry"))
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.deepStrictEqual(
          [...stdout.matchAll(/^  name: '(.*)',$/gm)].map(([, name]) => name),
          ["GPTalk.login", "GPTalk.text", "GPTalk.stream", "GPTalk.streamText", "my-request"]
        )
        assert.include(stdout, "'gen_ai.request.model': 'gpt-3.5-turbo'")
        assert.include(stdout, "name: 'gen_ai.first_delta'")
        assert.include(stdout, "name: 'gptalk_replies'")
        assert.notInclude(stdout, "Hello, world")
      })
  )
})
