import { HttpClient, type HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { inspect } from "node:util"
import { changed } from "./utils/clients.js"
import { makeRecords } from "./utils/logAndSpans.js"
import * as MockClient from "./utils/mockClient.js"

const secrets = /session-token-0|stream-token-0|nobody must see|[0-9a-f]{32}/

/** A client that wraps its responses, each with its own `stream` that is made so. */
const clientOf = (
  stepOf: MockClient.Step,
  streamOf: (response: HttpClientResponse.HttpClientResponse) => () => HttpClientResponse.HttpClientResponse["stream"]
) =>
  changed(
    MockClient.make().layer,
    HttpClient.transformResponse(Effect.map((response) =>
      response.request.url.endsWith(stepOf)
        ? Object.create(response, { stream: { get: streamOf(response) } })
        : response
    ))
  )

const quote = ({ request }: HttpClientResponse.HttpClientResponse) =>
  inspect([request.urlParams, request.headers, request.body.toJSON()], { depth: 9 })

const run = (client: Layer.Layer<HttpClient.HttpClient>) => {
  const { layer, text } = makeRecords()
  return Effect.map(
    Effect.exit(GPTalk.generateText({ prompt: "a prompt that nobody must see" })).pipe(
      Effect.provide(Layer.provide(GPTalk.layer({ retries: 0 }), client)),
      Effect.provide(layer)
    ),
    (exit) => ({ exit, seen: text() + inspect(exit, { depth: 20 }) })
  )
}

describe("No secret is seen of a response", () => {
  it.effect.each(["login", "text", "stream"] as const)(
    "at %s whose stream cannot be had",
    (step) =>
      Effect.gen(function*() {
        const { exit, seen } = yield* run(clientOf(step, (response) => () => {
          throw new Error(quote(response))
        }))
        assert(Exit.isFailure(exit))
        assert.include([...Cause.defects(exit.cause)][0], { _tag: "ConnectionError", step })
        assert.notMatch(seen, secrets)
      })
  )

  it.live.each(["login", "text", "stream"] as const)(
    "at %s whose stream dies in the end",
    (step) =>
      Effect.gen(function*() {
        const { exit, seen } = yield* run(clientOf(step, (response) => () =>
          Stream.ensuring(
            response.stream,
            Effect.suspend(() => Effect.die(new Error(quote(response))))
          )))
        assert.deepStrictEqual(exit, Exit.succeed("Hello!"))
        assert.notMatch(seen, secrets)
      })
  )

  it.effect("whose stream is a span", () =>
    Effect.gen(function*() {
      const { exit, seen } = yield* run(clientOf("stream", (response) => () =>
        Stream.withSpan(
          Stream.onStart(response.stream, Effect.annotateCurrentSpan("quote", quote(response))),
          "a span",
          { attributes: { quote: quote(response) } }
        )))
      assert.deepStrictEqual(exit, Exit.succeed("Hello!"))
      assert.notMatch(seen, secrets)
    }))
})
