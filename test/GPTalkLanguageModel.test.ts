import * as AiError from "@effect/ai/AiError"
import * as Chat from "@effect/ai/Chat"
import * as IdGenerator from "@effect/ai/IdGenerator"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import type * as AiResponse from "@effect/ai/Response"
import { assert, describe, it } from "@effect/vitest"
import { GPTalkError } from "effect-gptalk"
import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { mock, says } from "./utils/mockGPTalk.js"

const metadataOf = ({ content }: { readonly content: ReadonlyArray<AiResponse.AnyPart> }) => {
  const metadata = content.find((part) => part.type === "response-metadata")
  assert(metadata !== undefined, "there is none")
  return metadata
}

describe("GPTalkLanguageModel", () => {
  describe("generateText", () => {
    it.effect("gives the text, the finish reason and a usage that is unknown", () =>
      Effect.gen(function*() {
        const { model, requests } = says("Hel", "lo")
        const response = yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(Effect.provide(model))
        assert.strictEqual(response.text, "Hello")
        assert.strictEqual(response.finishReason, "stop")
        assert.deepInclude(response.usage, {
          inputTokens: undefined,
          outputTokens: undefined,
          totalTokens: undefined
        })
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

    it.effect("a zero and an empty text override as well", () =>
      Effect.gen(function*() {
        const { layer, requests } = says("ok")
        const config = { temperature: 0.5, contextMessages: 1, systemPrompt: "Be brief." }
        yield* ask.pipe(
          GPTalkLanguageModel.withConfigOverride({ temperature: 0, contextMessages: 0, systemPrompt: "" }),
          Effect.provide(Layer.provide(GPTalkLanguageModel.layer({ config }), layer))
        )
        assert.deepInclude(requests[0], { temperature: 0, contextMessages: 0, systemPrompt: "" })
      }))
  })
})
