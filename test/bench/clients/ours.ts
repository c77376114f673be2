import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import type { Client, OnDelta } from "./client.js"

type Reply = (prompt: string, onDelta: OnDelta) => Effect.Effect<void, unknown, GPTalk.GPTalk>

const clientOf = (reply: Reply) => (url: string): Client => {
  const runtime = ManagedRuntime.make(Layer.provide(GPTalk.layer({ url }), NodeHttpClient.layerUndici))
  const textOf = (prompt: string) =>
    Effect.suspend(() => {
      let text = ""
      return Effect.map(reply(prompt, (delta) => text += delta), () => text)
    })
  return {
    reply: (prompt, onDelta) => runtime.runPromise(reply(prompt, onDelta)),
    replies: ({ concurrency, count, prompt }) =>
      runtime.runPromise(Effect.forEach(Array.from({ length: count }), () => textOf(prompt), { concurrency }))
  }
}

export const streamText = clientOf((prompt, onDelta) =>
  Stream.runForEach(GPTalk.streamText({ prompt }), (delta) => Effect.sync(() => onDelta(delta)))
)

export const generateText = clientOf((prompt, onDelta) => Effect.map(GPTalk.generateText({ prompt }), onDelta))
