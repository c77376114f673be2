/**
 * GPTalk as the model of `@effect/ai`: one question, a streamed answer, an object, and a conversation that remembers.
 * The service runs here, with answers of its own, so this needs no network: `npx tsx examples/language-model.ts`
 */
import { Chat, LanguageModel } from "@effect/ai"
import { HttpServer } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { GPTalk } from "effect-gptalk"
import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
import * as Responder from "effect-gptalk/Responder"
import * as EmbeddedServer from "./embedded-server.js"

const responder = Responder.make(({ model, prompt }) => {
  const turns = prompt.split("\n").filter((line) => line.startsWith("User:")).length
  return prompt.includes("JSON Schema")
    ? Stream.make("Here you are:\n```json\n", "{\"name\": \"Ada\", \"born\": 1815}", "\n```")
    : Stream.make("This is ", `turn ${Math.max(turns, 1)} `, `with ${model}.`)
})

const gptalk = HttpServer.addressFormattedWith((url) => Effect.succeed(GPTalk.layer({ url }))).pipe(
  Layer.unwrapEffect,
  Layer.provide([EmbeddedServer.serve(Responder.layer(responder)), NodeHttpClient.layerUndici])
)

const Person = Schema.Struct({ name: Schema.String, born: Schema.Int })

const program = Effect.gen(function*() {
  const { finishReason, text } = yield* LanguageModel.generateText({ prompt: "Hi" })
  yield* Console.log(`${text} (${finishReason})`)

  yield* LanguageModel.streamText({ prompt: "Slowly, please" }).pipe(
    Stream.runForEach((part) => part.type === "text-delta" ? Console.log(`> ${part.delta}`) : Effect.void)
  )

  const { value } = yield* LanguageModel.generateObject({ prompt: "Who wrote the first program?", schema: Person })
  yield* Console.log(`${value.name}, born in ${value.born}`)

  const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
  yield* chat.generateText({ prompt: "One" })
  const second = yield* chat.generateText({ prompt: "Two" })
  yield* Console.log(second.text)
})

program.pipe(
  Effect.provide(GPTalkLanguageModel.model("gpt-4")),
  Effect.provide(gptalk),
  Effect.runPromise
)
