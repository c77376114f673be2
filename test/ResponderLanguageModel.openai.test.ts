import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted, type Scope, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Responder from "effect-gptalk/Responder"
import * as ResponderLanguageModel from "effect-gptalk/ResponderLanguageModel"
import { follow } from "./utils/follow.js"
import * as OpenAiServer from "./utils/OpenAiServer.js"
import * as TestServer from "./utils/TestServer.js"

describe("ResponderLanguageModel", () => {
  describe("over HTTP, in front of OpenAI", () => {
    const live = <E>(name: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
      it.scopedLive(name, () => Effect.provide(test(), Logger.remove(Logger.defaultLogger)))

    const start = Effect.gen(function*() {
      const openAi = yield* OpenAiServer.make
      const responder = yield* Layer.build(ResponderLanguageModel.layer.pipe(
        Layer.provide(OpenAiLanguageModel.layer({ model: "gpt-4.1-mini" })),
        Layer.provide(OpenAiClient.layer({ apiUrl: openAi.url, apiKey: Redacted.make("sk-test") })),
        Layer.provide(NodeHttpClient.layerUndici)
      ))
      const server = yield* Effect.provide(
        Effect.flatMap(Responder.Responder, (responder) => TestServer.make({ responder })),
        responder
      )
      const gptalk = yield* Effect.provide(
        GPTalk.GPTalk,
        yield* Layer.build(GPTalk.layer({ url: server.url }).pipe(Layer.provide(NodeHttpClient.layerUndici)))
      )
      return { openAi, gptalk }
    })

    live("logs why a reply failed, without the key or the prompt", () =>
      Effect.gen(function*() {
        const log: Array<string> = []
        const logger = Logger.map(Logger.logfmtLogger, (line) => void log.push(line))
        yield* Effect.gen(function*() {
          const { gptalk, openAi } = yield* start
          const reply = yield* Effect.fork(Effect.flip(gptalk.generateText({ prompt: "a secret matter" })))
          const call = yield* openAi.next
          call.say("Hel")
          yield* Effect.sleep("50 millis")
          call.breakOff()
          yield* Fiber.join(reply)
        }).pipe(Effect.provide(Logger.add(logger)))
        assert.match(log.join("\n"), /its provider's answer broke off or could not be read \(Decode\)/)
        assert.notMatch(log.join("\n"), /sk-test|secret matter/)
      }))

    live("asks as OpenAI wants to be asked", () =>
      Effect.gen(function*() {
        const { gptalk, openAi } = yield* start
        const reply = yield* Effect.fork(gptalk.generateText({
          systemPrompt: "Be brief.",
          messages: [{ role: "user", content: "Hi" }, { role: "assistant", content: "Hello" }, {
            role: "user",
            content: "Привет"
          }]
        }))
        const call = yield* openAi.next
        call.say("Да")
        call.finish()
        assert.strictEqual(yield* Fiber.join(reply), "Да")
        assert.strictEqual(call.path, "/v1/responses")
        assert.strictEqual(call.authorization, "Bearer sk-test")
        assert.strictEqual(call.body.model, "gpt-4.1-mini")
        assert.deepStrictEqual(call.body.input, [
          { role: "system", content: "Be brief." },
          {
            role: "user",
            content: [{ type: "input_text", text: "User: Hi\nAssistant: Hello\nUser: Привет\nAssistant:" }]
          }
        ])
      }))

    live("hands on each delta while the model still speaks", () =>
      Effect.gen(function*() {
        const { gptalk, openAi } = yield* start
        const next = yield* follow(gptalk.streamText({ prompt: "Hi" }))
        const call = yield* openAi.next
        for (const text of ["Hel", "lo, ", "мир", "👋"]) {
          call.say(text)
          assert.strictEqual(yield* next, text)
        }
        call.finish()
      }))

    live("closes the connection to the model when the client stops", () =>
      Effect.gen(function*() {
        const { gptalk, openAi } = yield* start
        const first = yield* Effect.fork(gptalk.streamText({ prompt: "Hi" }).pipe(Stream.take(1), Stream.runCollect))
        const call = yield* openAi.next
        call.say("Hel")
        yield* Fiber.join(first)
        yield* Effect.promise(() => call.gone)
      }))

    for (
      const [name, act] of [
        ["says that it failed", (call) => call.fail("overloaded")],
        ["breaks the connection", (call) => call.breakOff()],
        ["ends the body too soon", (call) => call.end()]
      ] satisfies ReadonlyArray<[string, (call: OpenAiServer.Call) => void]>
    ) {
      live(`makes no whole reply of one whose model ${name}`, () =>
        Effect.gen(function*() {
          const { gptalk, openAi } = yield* start
          const deltas: Array<string> = []
          const reply = gptalk.streamText({ prompt: "Hi" }).pipe(
            Stream.runForEach((delta) => Effect.sync(() => deltas.push(delta))),
            Effect.flip
          )
          const error = yield* Effect.fork(reply)
          const call = yield* openAi.next
          call.say("Hel")
          yield* Effect.sleep("50 millis")
          act(call)
          assert.oneOf((yield* Fiber.join(error))._tag, ["ServiceError", "IncompleteReplyError"])
          assert.deepStrictEqual(deltas, ["Hel"])
        }))
    }
  })
})
