import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Responder from "effect-gptalk/Responder"
import { clients } from "./utils/clients.js"
import * as TestServer from "./utils/TestServer.js"

describe.concurrent("GPTalkServer sends the headers of a reply before there is a delta", () => {
  for (const [name, client] of Object.entries(clients)) {
    it.scopedLive(`over ${name}: one that never comes was waited for as a delta, not as an answer`, () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.make({ responder: Responder.make(() => Stream.never) })
        const options = { url, retries: 0, timeouts: { response: "20 seconds", firstDelta: "1 second" } } as const
        const error = yield* GPTalk.generateText({ prompt: "Hi" }).pipe(
          Effect.flip,
          Effect.provide(Layer.provide(GPTalk.layer(options), client))
        )
        assert.deepInclude(error, { _tag: "TimeoutError", step: "stream", phase: "firstDelta" })
      }))
  }
})
