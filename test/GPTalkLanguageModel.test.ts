import * as AiError from "@effect/ai/AiError"
import * as Chat from "@effect/ai/Chat"
import * as IdGenerator from "@effect/ai/IdGenerator"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import * as Prompt from "@effect/ai/Prompt"
import type * as AiResponse from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { GPTalk, GPTalkError, Protocol } from "effect-gptalk"
import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"

type Reply = (request: GPTalk.Request, index: number) => Stream.Stream<string, GPTalkError.GPTalkError>

/** A GPTalk that notes what it is asked. */
const mock = (reply: Reply, model?: string) => {
  const requests: Array<GPTalk.Request> = []
  const streamText = (request: GPTalk.Request) => Stream.suspend(() => reply(request, requests.push(request) - 1))
  const layer = Layer.succeed(GPTalk.GPTalk, {
    streamText,
    generateText: (request) => Stream.mkString(streamText(request)),
    model
  })
  return { requests, layer, model: Layer.provide(GPTalkLanguageModel.layer(), layer) }
}

const says = (...deltas: ReadonlyArray<string>) => mock(() => Stream.fromIterable(deltas), "gpt-3.5-turbo")

const fails = (error: GPTalkError.GPTalkError) => mock(() => Stream.fail(error))

const Answer = Schema.Struct({ name: Schema.String, age: Schema.NumberFromString })

const generateAnswer = LanguageModel.generateObject({ prompt: "Who?", schema: Answer, objectName: "person" })

const metadataOf = ({ content }: { readonly content: ReadonlyArray<AiResponse.AnyPart> }) => {
  const metadata = content.find((part) => part.type === "response-metadata")
  assert(metadata !== undefined, "there is none")
  return metadata
}

const messagesOf = (prompt: Prompt.RawInput) => {
  const { model, requests } = says("ok")
  return LanguageModel.generateText({ prompt }).pipe(
    Effect.provide(model),
    Effect.map(() => requests[0]!.messages)
  )
}

/** The native tracer, and the spans it has made. */
const makeTracer = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (...args) => {
      const span = native.span(...args)
      spans.push(span)
      return span
    },
    context: (f, fiber) => native.context(f, fiber)
  })
  return { spans, layer: Layer.setTracer(tracer) }
})

describe("GPTalkLanguageModel", () => {
  describe("generateText", () => {
    it.effect("gives the text, the finish reason and a usage that is unknown", () =>
      Effect.gen(function*() {
        const { model, requests } = says("Hel", "lo")
        const response = yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(Effect.provide(model))
        assert.strictEqual(response.text, "Hello")
        assert.strictEqual(response.finishReason, "stop")
        assert.isUndefined(response.usage.totalTokens)
        assert.deepStrictEqual(response.content.map((part) => part.type), ["response-metadata", "text", "finish"])
        assert.deepStrictEqual(requests[0]!.messages, [{ role: "user", content: "Hi" }])
      }))

    it.effect("says id, model and time of the response", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_000)
        const { model } = says("Hello")
        const response = yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(
          Effect.provide(model)
        )
        const metadata = metadataOf(response)
        assert.isTrue(Option.exists(metadata.id, (id) => id.startsWith("id_")))
        assert.strictEqual(Option.getOrThrow(metadata.modelId), "gpt-3.5-turbo")
        assert.strictEqual(DateTime.toEpochMillis(Option.getOrThrow(metadata.timestamp)), 1_700_000_000_000)
      }))

    it.effect("takes its ids from the IdGenerator that the layer was made with", () =>
      Effect.gen(function*() {
        const { model } = says("Hello")
        const ids = Layer.succeed(IdGenerator.IdGenerator, { generateId: () => Effect.succeed("mine") })
        const response = yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(
          Effect.provide(Layer.provide(model, ids))
        )
        assert.strictEqual(Option.getOrThrow(metadataOf(response).id), "mine")
      }))
  })

  describe("streamText", () => {
    it.effect("gives every part, each with the id of the response", () =>
      Effect.gen(function*() {
        const { model } = says("Hel", "lo")
        const parts = Array.from(
          yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(Stream.runCollect, Effect.provide(model))
        ) as Array<AiResponse.StreamPart<{}>>
        assert.deepStrictEqual(parts.map((part) => part.type), [
          "response-metadata",
          "text-start",
          "text-delta",
          "text-delta",
          "text-end",
          "finish"
        ])
        const id = parts[0]!.type === "response-metadata" ? Option.getOrThrow(parts[0]!.id) : ""
        assert.deepStrictEqual(parts.flatMap((part) => "id" in part && part.id === id ? part.type : []), [
          "text-start",
          "text-delta",
          "text-delta",
          "text-end"
        ])
        assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), "Hello")
        assert.deepInclude(parts[5], { reason: "stop" })
      }))

    it.effect("hands on a delta before the next has come", () =>
      Effect.gen(function*() {
        const deltas = yield* Queue.unbounded<string>()
        const seen = yield* Queue.unbounded<string>()
        const { model } = mock(() => Stream.fromQueue(deltas))
        yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
          Stream.runForEach((part) => Queue.offer(seen, part.type === "text-delta" ? part.delta : part.type)),
          Effect.provide(model),
          Effect.fork
        )
        yield* Queue.offer(deltas, "a")
        assert.deepStrictEqual(Array.from(yield* Queue.takeN(seen, 3)), ["response-metadata", "text-start", "a"])
        yield* Queue.offer(deltas, "b")
        assert.strictEqual(yield* Queue.take(seen), "b")
      }))

    const failure = Stream.fail(new GPTalkError.RateLimitError({ step: "text", retryAfter: Option.none() }))
    for (
      const [name, reply] of [
        ["that fails before its first delta", failure],
        ["of which a filter has left no delta", Stream.concat(Stream.filter(Stream.make("a"), () => false), failure)]
      ] as const
    ) {
      it.effect(`gives no part of a call ${name}`, () =>
        Effect.gen(function*() {
          const { model } = mock(() => reply)
          const seen: Array<string> = []
          const error = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
            Stream.runForEach((part) => Effect.sync(() => seen.push(part.type))),
            Effect.provide(model),
            Effect.flip
          )
          assert.isTrue(AiError.isAiError(error))
          assert.deepStrictEqual(seen, [])
        }))
    }

    it.effect("gives the deltas that came before a failure", () =>
      Effect.gen(function*() {
        const error = new GPTalkError.IncompleteReplyError({ step: "stream", text: "Hel" })
        const { model } = mock(() => Stream.concat(Stream.make("Hel"), Stream.fail(error)))
        const seen: Array<string> = []
        const failure = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
          Stream.runForEach((part) => Effect.sync(() => seen.push(part.type))),
          Effect.provide(model),
          Effect.flip
        )
        assert.strictEqual(failure._tag, "MalformedOutput")
        assert.deepStrictEqual(seen, ["response-metadata", "text-start", "text-delta"])
      }))

    it.effect("is complete for an empty reply", () =>
      Effect.gen(function*() {
        const { model } = says()
        const parts = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(Stream.runCollect, Effect.provide(model))
        assert.deepStrictEqual(Array.from(parts, (part) => part.type), [
          "response-metadata",
          "text-start",
          "text-end",
          "finish"
        ])
      }))

    it.effect("is a new exchange on each run", () =>
      Effect.gen(function*() {
        const { model, requests } = says("a")
        yield* Effect.gen(function*() {
          const stream = LanguageModel.streamText({ prompt: "Hi" })
          const first = yield* Stream.runCollect(stream)
          const second = yield* Stream.runCollect(stream)
          assert.strictEqual(Chunk.size(first), Chunk.size(second))
        }).pipe(Effect.provide(model))
        assert.strictEqual(requests.length, 2)
      }))

    it.effect("stops GPTalk when the consumer stops, or is interrupted", () =>
      Effect.gen(function*() {
        const closed = yield* Ref.make(0)
        const started = yield* Deferred.make<void>()
        const { model } = mock(() =>
          Stream.make("a", "b").pipe(
            Stream.concat(Stream.fromEffect(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))),
            Stream.ensuring(Ref.update(closed, (n) => n + 1))
          )
        )
        const stream = LanguageModel.streamText({ prompt: "Hi" })
        yield* Stream.runDrain(Stream.take(stream, 3)).pipe(Effect.provide(model))
        assert.strictEqual(yield* Ref.get(closed), 1)
        const fiber = yield* Effect.fork(Stream.runDrain(stream).pipe(Effect.provide(model)))
        yield* Deferred.await(started)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(yield* Ref.get(closed), 2)
      }))

    it.effect("interrupts a generateText that waits", () =>
      Effect.gen(function*() {
        const closed = yield* Ref.make(false)
        const started = yield* Deferred.make<void>()
        const { model } = mock(() =>
          Stream.fromEffect(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)).pipe(
            Stream.ensuring(Ref.set(closed, true))
          )
        )
        const fiber = yield* Effect.fork(LanguageModel.generateText({ prompt: "Hi" }).pipe(Effect.provide(model)))
        yield* Deferred.await(started)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.isTrue(yield* Ref.get(closed))
      }))
  })

  describe("prompts", () => {
    it.effect("keeps roles and order, and joins the text parts of a message by lines", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* messagesOf([
            { role: "system", content: "Be brief." },
            { role: "user", content: [{ type: "text", text: "One" }, { type: "text", text: "Two" }] },
            { role: "assistant", content: "Three" },
            { role: "user", content: "Four" }
          ]),
          [
            { role: "system", content: "Be brief." },
            { role: "user", content: "One\nTwo" },
            { role: "assistant", content: "Three" },
            { role: "user", content: "Four" }
          ]
        )
      }))

    it.effect("leaves out thoughts, and messages of nothing else", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* messagesOf([
            { role: "assistant", content: [{ type: "reasoning", text: "Hm." }] },
            { role: "assistant", content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "Yes" }] },
            { role: "user", content: "Why?" }
          ]),
          [{ role: "assistant", content: "Yes" }, { role: "user", content: "Why?" }]
        )
      }))

    const call = { type: "tool-call", id: "1", name: "clock", params: {}, providerExecuted: false } as const
    const result = {
      type: "tool-result",
      id: "1",
      name: "clock",
      isFailure: false,
      result: 1,
      providerExecuted: false
    } as const
    const unsupported: ReadonlyArray<readonly [string, Prompt.RawInput, RegExp]> = [
      [
        "a file",
        [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: new Uint8Array(1) }] }],
        /text only.*file/
      ],
      [
        "a file of the assistant",
        [{ role: "assistant", content: [{ type: "file", mediaType: "image/png", data: "AA==" }] }],
        /text only.*file/
      ],
      ["a tool call", [{ role: "assistant", content: [call] }], /no tools.*tool-call/],
      ["a tool result", [{ role: "tool", content: [result] }], /no tools.*tool-result/],
      ["no message", Prompt.empty, /no text/],
      ["no text", [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }], /no text/]
    ]
    for (const [kind, prompt, description] of unsupported) {
      it.effect(`is MalformedInput for a prompt with ${kind}`, () =>
        Effect.gen(function*() {
          const { model, requests } = says("ok")
          const [generated, streamed] = yield* Effect.all([
            Effect.flip(LanguageModel.generateText({ prompt })),
            Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt })))
          ]).pipe(Effect.provide(model))
          for (const error of [generated, streamed]) {
            assert.strictEqual(error._tag, "MalformedInput")
            assert.match(error._tag === "MalformedInput" ? error.description! : "", description)
          }
          assert.strictEqual(requests.length, 0)
        }))
    }

    it.effect("is MalformedInput for a toolkit", () =>
      Effect.gen(function*() {
        const { model, requests } = says("ok")
        const toolkit = Toolkit.make(Tool.make("Clock", { success: Schema.Number }))
        const tools = toolkit.toLayer({ Clock: () => Effect.succeed(1) })
        const [generated, streamed] = yield* Effect.all([
          Effect.flip(LanguageModel.generateText({ prompt: "Hi", toolkit })),
          Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi", toolkit })))
        ]).pipe(Effect.provide([model, tools]))
        for (const error of [generated, streamed]) {
          assert.strictEqual(error._tag, "MalformedInput")
          assert.match(error._tag === "MalformedInput" ? error.description! : "", /no tools.*Clock/)
        }
        assert.strictEqual(requests.length, 0)
      }))
  })

  describe("generateObject", () => {
    const object = "{\"name\":\"Ada\",\"age\":\"36\"}"
    const replies: ReadonlyArray<readonly [string, string]> = [
      ["alone", object],
      ["between blanks", `\n ${object}\n`],
      ["over several lines", JSON.stringify(JSON.parse(object), null, 2)],
      ["in a code fence", `\`\`\`json\n${object}\n\`\`\``],
      ["in a code fence without a language, in text", `Here it is:\n\`\`\`\n${object}\n\`\`\`\nAnything else?`],
      ["in text", `Sure! ${object} Does {that} help?`],
      ["after the schema", `{"type":"object"} describes ${object}`],
      ["after a brace that nothing closes", `{ is a brace. ${object}`],
      ["with braces in its strings", "The answer: {\"name\":\"}{ \\\" {\",\"age\":\"36\"} (a brace: })"]
    ]
    for (const [kind, text] of replies) {
      it.effect(`reads an object ${kind}`, () =>
        Effect.gen(function*() {
          const { value } = yield* generateAnswer.pipe(Effect.provide(says(text).model))
          assert.strictEqual(value.age, 36)
        }))
    }

    it.effect("asks for it with the schema, after the prompt", () =>
      Effect.gen(function*() {
        const { model, requests } = says(object)
        yield* generateAnswer.pipe(Effect.provide(model))
        const messages = requests[0]!.messages!
        assert.deepStrictEqual(messages[0], { role: "user", content: "Who?" })
        assert.strictEqual(messages[1]!.role, "system")
        assert.include(messages[1]!.content, "\"person\"")
        assert.include(messages[1]!.content, "\"required\":[\"name\",\"age\"]")
      }))

    for (
      const [kind, text] of [
        ["text only", "I do not know a SECRET."],
        ["an object that does not fit", "{\"name\":\"SECRET\",\"age\":36}"],
        ["an object that is not closed", "{\"name\":\"SECRET\""],
        ["nothing but braces", "{".repeat(100_000)]
      ] as const
    ) {
      it.effect(`is MalformedOutput, without a word of the reply, for ${kind}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(generateAnswer.pipe(Effect.provide(says(text).model)))
          assert.strictEqual(error._tag, "MalformedOutput")
          assert.strictEqual(error.method, "generateObject")
          assert.notInclude(Cause.pretty(Cause.fail(error)), "SECRET")
        }))
    }

    it.effect("is MalformedInput for a schema that JSON Schema cannot say", () =>
      Effect.gen(function*() {
        const { model, requests } = says(object)
        const schema = Schema.Struct({ size: Schema.BigIntFromSelf })
        const error = yield* Effect.flip(
          LanguageModel.generateObject({ prompt: "Who?", schema }).pipe(Effect.provide(model))
        )
        assert.strictEqual(error._tag, "MalformedInput")
        assert.strictEqual(requests.length, 0)
      }))
  })

  describe("Chat", () => {
    const replies = mock((_, index) => Stream.make("reply ", String(index)))

    it.effect("carries the history over several turns, streamed and whole", () =>
      Effect.gen(function*() {
        const { model, requests } = replies
        yield* Effect.gen(function*() {
          const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
          assert.strictEqual((yield* chat.generateText({ prompt: "one" })).text, "reply 0")
          yield* Stream.runDrain(chat.streamText({ prompt: "two" }))
          yield* chat.generateText({ prompt: "three" })
        }).pipe(Effect.provide(model))
        assert.deepStrictEqual(requests[2]!.messages, [
          { role: "system", content: "Be brief." },
          { role: "user", content: "one" },
          { role: "assistant", content: "reply 0" },
          { role: "user", content: "two" },
          { role: "assistant", content: "reply 1" },
          { role: "user", content: "three" }
        ])
      }))
  })

  describe("configuration", () => {
    const ask = LanguageModel.generateText({ prompt: "Hi" })

    it.effect("says nothing of a model that was not chosen", () =>
      Effect.gen(function*() {
        const { model, requests } = mock(() => Stream.make("ok"))
        const response = yield* ask.pipe(Effect.provide(model))
        assert.isUndefined(requests[0]!.model)
        assert.isTrue(Option.isNone(metadataOf(response).modelId))
      }))

    it.effect("model() names the model and the provider", () =>
      Effect.gen(function*() {
        const { layer, requests } = says("ok")
        const [response, provider] = yield* Effect.all([ask, AiModel.ProviderName]).pipe(
          Effect.provide(GPTalkLanguageModel.model("gpt-4", { temperature: 0.5, systemPrompt: "s" })),
          Effect.provide(layer)
        )
        assert.strictEqual(provider, "gptalk")
        assert.deepInclude(requests[0], { model: "gpt-4", temperature: 0.5, systemPrompt: "s" })
        assert.strictEqual(Option.getOrThrow(metadataOf(response).modelId), "gpt-4")
      }))

    it.effect("model() can be lifted out of its dependencies", () =>
      Effect.gen(function*() {
        const { layer } = says("ok")
        const lifted = yield* GPTalkLanguageModel.model().pipe(Effect.provide(layer))
        assert.strictEqual((yield* ask.pipe(Effect.provide(lifted))).text, "ok")
      }))

    it.effect("Config and withConfigOverride are laid over the layer's", () =>
      Effect.gen(function*() {
        const { layer, requests } = says("ok")
        const model = GPTalkLanguageModel.layer({ model: "gpt-4", config: { temperature: 0.5, contextMessages: 1 } })
        yield* ask.pipe(
          GPTalkLanguageModel.withConfigOverride({ temperature: 1, model: undefined }),
          Effect.provideService(GPTalkLanguageModel.Config, {
            model: "gpt-5",
            temperature: 0.1,
            contextMessages: undefined
          }),
          Effect.provide(Layer.provide(model, layer))
        )
        assert.deepInclude(requests[0], { model: "gpt-5", temperature: 1, contextMessages: 1 })
      }))
  })

  describe("errors", () => {
    const step = "text"
    const cases: ReadonlyArray<readonly [GPTalkError.GPTalkError, AiError.AiError["_tag"], object]> = [
      [new GPTalkError.InvalidRequestError({ issue: "model: expected a string" }), "MalformedInput", {}],
      [
        new GPTalkError.AuthenticationError({ step: "login", status: 403 }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 403, headers: {} } }
      ],
      [
        new GPTalkError.RateLimitError({ step, retryAfter: Option.some(Duration.millis(1500)) }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 429, headers: { "retry-after": "2" } } }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 502, detail: "down", retryAfter: Option.none() }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 502, headers: {} } }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 200, detail: "no quota", retryAfter: Option.none() }),
        "UnknownError",
        {}
      ],
      [
        new GPTalkError.ConnectionError({ step, cause: { name: "Error", message: "ECONNREFUSED" } }),
        "HttpRequestError",
        { reason: "Transport" }
      ],
      [
        new GPTalkError.TimeoutError({ step, phase: "idle", after: Duration.seconds(1) }),
        "HttpRequestError",
        { reason: "Transport" }
      ],
      [new GPTalkError.ProtocolError({ step, issue: "expected JSON, found nothing" }), "MalformedOutput", {}],
      [new GPTalkError.IncompleteReplyError({ step: "stream", text: "SECRET" }), "MalformedOutput", {}]
    ]
    for (const [error, tag, fields] of cases) {
      it.effect(`turns ${error._tag}${"status" in error ? ` ${error.status}` : ""} into ${tag}`, () =>
        Effect.gen(function*() {
          const prompt = "Hi"
          const [generated, streamed] = yield* Effect.all([
            Effect.flip(LanguageModel.generateText({ prompt })),
            Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt })))
          ]).pipe(Effect.provide(fails(error).model))
          for (const [method, failure] of [["generateText", generated], ["streamText", streamed]] as const) {
            assert.strictEqual(failure._tag, tag)
            assert.deepInclude(failure, {
              module: "GPTalkLanguageModel",
              method,
              description: error.message,
              ...fields
            })
            assert.notInclude(JSON.stringify(failure) + Cause.pretty(Cause.fail(failure)), "SECRET")
            // A schema-backed error that cannot be encoded breaks loggers and RPC.
            yield* Schema.encode(AiError.AiError)(failure)
          }
        }))
    }

    it.effect("lets no token and no prompt out of a call over HTTP", () =>
      Effect.gen(function*() {
        const client = HttpClient.make((request, url) =>
          Effect.succeed(HttpClientResponse.fromWeb(
            request,
            url.pathname === Protocol.paths.login
              ? json({ data: { token: "TOKEN-of-the-session", expires_at: 4e9 } })
              : json({ msg: "TOKEN-of-the-session asked: PROMPT of a person" }, 500)
          ))
        )
        const error = yield* LanguageModel.generateText({ prompt: "PROMPT of a person" }).pipe(
          Effect.provide(GPTalkLanguageModel.model()),
          Effect.provide(GPTalk.layer({ retries: 0 })),
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.flip
        )
        assert.strictEqual(error._tag, "HttpResponseError")
        assert.notMatch(JSON.stringify(error) + Cause.pretty(Cause.fail(error)), /TOKEN|PROMPT/)
      }))
  })

  describe("telemetry", () => {
    it.effect("annotates the span as GenAI does, without content", () =>
      Effect.gen(function*() {
        const { layer, spans } = yield* makeTracer
        const { model } = says("REPLY")
        const prompt = "PROMPT"
        yield* LanguageModel.generateText({ prompt }).pipe(
          Effect.zipRight(Stream.runDrain(LanguageModel.streamText({ prompt }))),
          GPTalkLanguageModel.withConfigOverride({ temperature: 1 }),
          Effect.provide(Layer.merge(model, layer))
        )
        for (const name of ["LanguageModel.generateText", "LanguageModel.streamText"]) {
          const attributes = Object.fromEntries(spans.find((span) => span.name === name)!.attributes)
          assert.match(attributes["gen_ai.response.id"] as string, /^id_/)
          assert.deepInclude(attributes, {
            "gen_ai.system": "gptalk",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-3.5-turbo",
            "gen_ai.request.temperature": 1,
            "gen_ai.response.model": "gpt-3.5-turbo",
            "gen_ai.response.finish_reasons": ["stop"]
          })
          assert.notMatch(JSON.stringify(attributes), /PROMPT|REPLY/)
        }
      }))

    it.effect("puts the spans of GPTalk below that of the model", () =>
      Effect.gen(function*() {
        const { layer, spans } = yield* makeTracer
        const { model } = mock(() => Stream.withSpan(Stream.make("a"), "inner"))
        yield* Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })).pipe(
          Effect.zipRight(LanguageModel.generateText({ prompt: "Hi" })),
          Effect.withSpan("outer"),
          Effect.provide(Layer.merge(model, layer))
        )
        assert.deepStrictEqual(
          spans.filter((span) => span.name === "inner").map((span) =>
            Option.getOrUndefined(Option.map(span.parent, (parent) => (parent as Tracer.Span).name))
          ),
          ["LanguageModel.streamText", "LanguageModel.generateText"]
        )
      }))
  })
})

function json(body: unknown, status = 200) {
  return Response.json(body, { status })
}
