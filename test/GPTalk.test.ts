import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"
import * as MockClient from "./utils/mockClient.js"

const { provide } = MockClient

/** The body of `text` for a request. */
const bodyOf = (request: GPTalk.Request, options?: GPTalk.Options) => {
  const client = MockClient.make()
  return GPTalk.generateText(request).pipe(
    provide(client, options),
    Effect.map(() => client.of("text")[0]!.body!)
  )
}

const collect = (...contents: ReadonlyArray<string>) =>
  GPTalk.streamText({ prompt: "Hi" }).pipe(
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray),
    provide(MockClient.make({ stream: () => MockClient.reply(...contents) }))
  )

describe("GPTalk", () => {
  it("says what is known of the public service", () => {
    assert.deepStrictEqual(GPTalk.provider as object, {
      url: "https://gptalk.net",
      working: false,
      supportsGpt35Turbo: true,
      defaultModel: "gpt-3.5-turbo"
    })
  })

  describe("the three requests", () => {
    it.effect("go to their paths in their order", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual(
          client.requests.map(({ method, url }) => `${method} ${url.href}`),
          [
            "POST https://gptalk.net/api/chatgpt/user/login",
            "POST https://gptalk.net/api/chatgpt/chatapi/text",
            "GET https://gptalk.net/api/chatgpt/chatapi/stream?token=stream-token-0"
          ]
        )
      }).pipe(provide(client))
    })

    it.effect("carry the default headers, each the time of its own", () => {
      const client = MockClient.make({
        text: (received, index) =>
          Effect.delay(Effect.sync(() => MockClient.defaults.text(received, index)), "2 seconds")
      })
      return Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_999)
        yield* Effect.fork(GPTalk.generateText({ prompt: "Hi" }))
        yield* TestClock.adjust("2 seconds")
        const origin = "https://gptalk.net"
        for (const [index, now] of [1_700_000_000, 1_700_000_000, 1_700_000_002].entries()) {
          assert.deepInclude(client.requests[index]!.headers, Protocol.defaultHeaders({ origin, now }))
        }
      }).pipe(provide(client))
    })

    it.effect("only text is authorized, with the session token", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual(
          client.requests.map(({ headers }) => headers["authorization"]),
          [undefined, "Bearer session-token-0", undefined]
        )
      }).pipe(provide(client))
    })

    it.effect("the body of text is the table of the protocol", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_999)
        assert.deepStrictEqual(yield* bodyOf({ prompt: "Hi" }), {
          content: "Hi",
          accept: "stream",
          from: 1,
          model: "gpt-3.5-turbo",
          is_mobile: 0,
          user_agent: Protocol.defaultHeaders({ origin: "", now: 0 })["user-agent"],
          is_open_ctx: 0,
          prompt: "",
          roid: 111,
          temperature: 0,
          ctx_msg_count: 3,
          created_at: 1_700_000_000
        })
      }))

    it.effect("go below the path of the url, whatever its end, with its query", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual(
          client.requests.map(({ url }) => url.href),
          [
            `http://127.0.0.1:8080/below${Protocol.paths.login}?a=1&token=b`,
            `http://127.0.0.1:8080/below${Protocol.paths.text}?a=1&token=b`,
            `http://127.0.0.1:8080/below${Protocol.paths.stream}?a=1&token=stream-token-0`
          ]
        )
        assert.strictEqual(client.requests[0]!.headers["origin"], "http://127.0.0.1:8080")
      }).pipe(provide(client, { url: "http://127.0.0.1:8080/below/?a=1&token=b#c" }))
    })

    it.effect("a stream token is escaped in the query", () => {
      const client = MockClient.make({ text: () => MockClient.json({ data: { token: "a+b&c=d/é #?" } }) })
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual([...client.of("stream")[0]!.url.searchParams], [["token", "a+b&c=d/é #?"]])
      }).pipe(provide(client))
    })

    it.effect("headers are laid over the defaults of all three, in any case", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        for (const { headers } of client.requests) {
          assert.include(headers, { "accept-language": "ru", "x-mine": "1", "x-auth-appid": "2229" })
        }
      }).pipe(provide(client, { headers: { "Accept-Language": "ru", "x-mine": "1" } }))
    })

    it.effect("a user-agent that is replaced is the same in the headers and in the body", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual(client.requests.map(({ headers }) => headers["user-agent"]), Array(3).fill("mine/1"))
        assert.strictEqual(client.of("text")[0]!.body!["user_agent"], "mine/1")
      }).pipe(provide(client, { headers: { "User-Agent": "mine/1" } }))
    })

    it.effect.each(["content-type", "origin", "x-auth-timestamp"])("the %s can be replaced", (name) => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "Hi" })
        assert.deepStrictEqual(client.requests.map(({ headers }) => headers[name]), Array(3).fill("application/x"))
      }).pipe(provide(client, { headers: { [name]: "application/x" } }))
    })

    it.effect("of several replies share a session", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        yield* Effect.replicateEffect(GPTalk.generateText({ prompt: "Hi" }), 5)
        assert.deepStrictEqual([client.count("login"), client.count("text"), client.count("stream")], [1, 5, 5])
      }).pipe(provide(client))
    })
  })

  describe("a request", () => {
    it.effect("with a prompt sends it as it is", () =>
      Effect.gen(function*() {
        assert.strictEqual(
          (yield* bodyOf({ prompt: " Привет,\n\"как\" \\ дела? 😀 " }))["content"],
          " Привет,\n\"как\" \\ дела? 😀 "
        )
      }))

    it.effect("with an empty prompt sends that", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* bodyOf({ prompt: "" }))["content"], "")
      }))

    it.effect("with messages sends the prompt they make", () =>
      Effect.gen(function*() {
        const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }]
        assert.strictEqual((yield* bodyOf({ messages }))["content"], "System: Be brief.\nUser: Hi\nAssistant:")
      }))

    it.effect("has its own fields in the body", () =>
      Effect.gen(function*() {
        assert.deepInclude(
          yield* bodyOf({ prompt: "Hi", model: "m", temperature: 0.7, systemPrompt: "Be brief.", contextMessages: 0 }),
          { model: "m", temperature: 0.7, prompt: "Be brief.", ctx_msg_count: 0 }
        )
      }))

    it.effect("takes the layer's model when it names none", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* bodyOf({ prompt: "Hi" }, { model: "layer" }))["model"], "layer")
      }))

    it.effect("has precedence over the layer's model", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* bodyOf({ prompt: "Hi", model: "own" }, { model: "layer" }))["model"], "own")
      }))

    it.effect.each<readonly [string, unknown, string]>([
      ["no messages", { messages: [] }, "messages"],
      [
        "a text for messages",
        { messages: "secret" },
        "messages: expected at least one message, found a string"
      ],
      ["neither messages nor a prompt", {}, "either messages or a prompt"],
      ["both", { messages: [{ role: "user", content: "secret" }], prompt: "secret" }, "either messages or a prompt"],
      ["an empty role", { messages: [{ role: "", content: "secret" }] }, "messages[0].role"],
      ["a content that is no string", { messages: [{ role: "user", content: ["secret"] }] }, "messages[0].content"],
      ["a prompt that is no string", { prompt: { text: "secret" } }, "prompt"],
      ["an empty model", { prompt: "secret", model: "" }, "model"],
      ["a list for a model", { prompt: "secret", model: [] }, "found an empty array"],
      ["an infinite temperature", { prompt: "secret", temperature: Infinity }, "found a number that is not finite"],
      ["a system prompt that is no string", { prompt: "secret", systemPrompt: 1 }, "systemPrompt"],
      ["a negative count of messages", { prompt: "secret", contextMessages: -1 }, "contextMessages"],
      ["half a message", { prompt: "secret", contextMessages: 0.5 }, "contextMessages"],
      ["null", null, ""],
      ["nothing", undefined, ""]
    ])("with %s is not valid, and nothing is sent", ([_, request, issue]) => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const error = yield* Effect.flip(GPTalk.generateText(request as GPTalk.Request))
        assert.strictEqual(error._tag, "InvalidRequestError")
        assert.include(error.message, issue)
        assert.notInclude(JSON.stringify(error) + error.message, "secret")
        assert.strictEqual(client.requests.length, 0)
      }).pipe(provide(client))
    })

    it.effect("is sent each time that its effect runs", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const ask = (yield* GPTalk.GPTalk).generateText({ prompt: "Hi" })
        assert.deepStrictEqual([yield* ask, yield* ask], ["Hello!", "Hello!"])
        assert.strictEqual(client.count("text"), 2)
      }).pipe(provide(client))
    })

    it.effect("that is not valid fails the stream too", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(GPTalk.streamText({ messages: [] })))
        assert.strictEqual(error._tag, "InvalidRequestError")
      }).pipe(provide(MockClient.make())))
  })

  describe("streamText", () => {
    it.effect("gives the deltas", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect("При", "Привет", "Привет!"), ["При", "вет", "!"])
      }))

    it.effect("gives none for an empty reply", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect(), [])
      }))

    it.effect("gives none that is empty", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect("", "a", "a", "", "ab"), ["a", "b"])
      }))

    it.effect("gives well-formed text where a pair is cut", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect("a\ud83d", "a😀", "a😀\ud83d"), ["a", "😀", "\ufffd"])
      }))

    it.effect("sends nothing before it is run", () => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const service = yield* GPTalk.GPTalk
        service.streamText({ prompt: "Hi" })
        service.generateText({ prompt: "Hi" })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(client.requests.length, 0)
      }).pipe(provide(client))
    })

    it.effect.each(
      [
        ["that of the module", Effect.succeed(GPTalk.streamText({ prompt: "Hi" }))],
        ["that of the service", Effect.map(GPTalk.GPTalk, (service) => service.streamText({ prompt: "Hi" }))]
      ] as const
    )("is an exchange of its own each time it is run: %s", ([_, streamOf]) => {
      const client = MockClient.make()
      return Effect.gen(function*() {
        const stream = yield* streamOf
        const [first, second] = yield* Effect.replicateEffect(Stream.mkString(stream), 2)
        assert.deepStrictEqual([first, second, client.count("text")], ["Hello!", "Hello!", 2])
      }).pipe(provide(client))
    })

    it.effect("can be run many times at once", () => {
      const client = MockClient.make({
        stream: ({ url }) => MockClient.reply(url.searchParams.get("token")!)
      })
      return Effect.gen(function*() {
        const texts = yield* Effect.all(
          Array.from({ length: 12 }, () => Stream.mkString(GPTalk.streamText({ prompt: "Hi" }))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(texts).size, 12)
        assert.strictEqual(client.count("login"), 3)
      }).pipe(provide(client))
    })
  })

  describe("generateText", () => {
    it.effect("gives the whole reply", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* GPTalk.generateText({ prompt: "Hi" }), "Hello!")
      }).pipe(provide(MockClient.make())))

    it.effect("gives an empty reply as an empty string", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* GPTalk.generateText({ prompt: "Hi" }), "")
      }).pipe(provide(MockClient.make({ stream: () => MockClient.reply() }))))
  })
})
