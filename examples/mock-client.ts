/**
 * GPTalk without a network: the `HttpClient` layer is swapped for one that answers the protocol's three requests.
 *
 * For tests, `effect-gptalk/GPTalkTest` gives such a client ready-made, with the real server behind it.
 */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"

const eventStream = (...contents: ReadonlyArray<string>): Response =>
  new Response(
    contents.map((content) => `data: ${JSON.stringify({ content })}\n\n`).join("") + `data: ${Protocol.done}\n\n`,
    { headers: { "content-type": "text/event-stream" } }
  )

const answer = (path: string): Response => {
  switch (path) {
    case Protocol.paths.login:
      return Response.json({ data: { token: "session", expires_at: 4_102_444_800 } })
    case Protocol.paths.text:
      return Response.json({ data: { token: "stream" } })
    case Protocol.paths.stream:
      return eventStream("Hello", "Hello, ", "Hello, mock")
    default:
      return new Response(null, { status: 404 })
  }
}

const HttpClientMock = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, url) => Effect.succeed(HttpClientResponse.fromWeb(request, answer(url.pathname))))
)

GPTalk.generateText({ prompt: "Who is there?" }).pipe(
  Effect.flatMap(Console.log),
  Effect.provide(GPTalk.layer().pipe(Layer.provide(HttpClientMock))),
  NodeRuntime.runMain
)
