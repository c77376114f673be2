import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Responder from "effect-gptalk/Responder"
import { clients } from "./utils/clients.js"
import * as TestServer from "./utils/TestServer.js"

/** A responder that says this, and how often it was asked. */
const counting = (deltas: Stream.Stream<string>) => {
  const asked = { count: 0 }
  const responder = Responder.make(() => {
    asked.count++
    return deltas
  })
  return { asked, responder }
}

describe.concurrent("GPTalkServer sends the headers of a reply before there is a delta", () => {
  for (const [name, client] of Object.entries(clients)) {
    const ask = (server: TestServer.TestServer, options: GPTalk.Options) =>
      GPTalk.generateText({ prompt: "Hi" }).pipe(
        Effect.provide(Layer.provide(GPTalk.layer({ ...options, url: server.url }), client))
      )

    it.scopedLive(`over ${name}: one that is late is waited for, and asked for once`, () =>
      Effect.gen(function*() {
        const { asked, responder } = counting(Stream.fromEffect(Effect.delay(Effect.succeed("Hello"), "4 seconds")))
        const server = yield* TestServer.make({ responder })
        const reply = yield* ask(server, { timeouts: { response: "2 seconds", firstDelta: "25 seconds" } })
        assert.deepStrictEqual([reply, asked.count], ["Hello", 1])
      }))

    it.scopedLive(`over ${name}: one that never comes was waited for as a delta, not as an answer`, () =>
      Effect.gen(function*() {
        const { asked, responder } = counting(Stream.never)
        const server = yield* TestServer.make({ responder })
        const options = { retries: 0, timeouts: { response: "20 seconds", firstDelta: "1 second" } } as const
        const error = yield* Effect.flip(ask(server, options))
        assert.deepInclude(error, { _tag: "TimeoutError", step: "stream", phase: "firstDelta" })
        assert.strictEqual(asked.count, 1)
      }))
  }
})
