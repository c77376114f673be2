/**
 * The core with its peers alone: a program whose `HttpClient` answers without a network, checked and run in a project
 * that has nothing else installed.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { GPTalk, type GPTalkError, Protocol } from "effect-gptalk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

let isBusy = true

const answer = (path: string): Response => {
  switch (path) {
    case Protocol.paths.login:
      return Response.json({ data: { token: "session", expires_at: 4e9 } })
    case Protocol.paths.text:
      if (isBusy) {
        isBusy = false
        return new Response("busy", { status: 503, headers: { "retry-after": "0" } })
      }
      return Response.json({ data: { token: "stream" } })
    default:
      return new Response(
        `data: {"content":"Hello"}\n\ndata: {"content":"Hello, program"}\n\ndata: ${Protocol.done}\n\n`,
        { headers: { "content-type": "text/event-stream" } }
      )
  }
}

const HttpClientMock = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, url) => Effect.succeed(HttpClientResponse.fromWeb(request, answer(url.pathname))))
)

const program: Effect.Effect<void, GPTalkError.GPTalkError, GPTalk.GPTalk> = GPTalk.streamText({
  messages: [{ role: "user", content: "Who is there?" }]
}).pipe(
  Stream.runForEach((delta) => Effect.sync(() => console.log(delta)))
)

// A response timeout in nanoseconds, which Effect keeps apart from whole milliseconds.
const GPTalkLive = GPTalk.layer({ timeouts: { response: Duration.seconds(1.005) } })

await Effect.runPromise(Effect.provide(program, GPTalkLive.pipe(Layer.provide(HttpClientMock))))
