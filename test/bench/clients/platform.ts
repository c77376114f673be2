import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { type Client, repliesOf } from "./client.js"
import { HandLoop } from "./handLoop.js"
import { asker, headersOf } from "./session.js"

/** The platform's `HttpClient` and the loop by hand: what all that is built on these has to pay. */
export const platform = (url: string): Client => {
  const runtime = ManagedRuntime.make(NodeHttpClient.layerUndici)
  const run = <A>(use: (client: HttpClient.HttpClient) => Effect.Effect<A, unknown>) =>
    runtime.runPromise(Effect.withTracerEnabled(Effect.flatMap(HttpClient.HttpClient, use), false))
  const ask = asker(url, (path, body, headers) =>
    run((client) =>
      Effect.flatMap(
        client.post(url + path, { headers, body: HttpBody.text(JSON.stringify(body), "application/json") }),
        (response) => response.json
      )
    ))
  const reply: Client["reply"] = async (prompt, onDelta) => {
    const path = await ask(prompt)
    const loop = new HandLoop()
    await run((client) =>
      Effect.flatMap(
        client.get(url + path, { headers: headersOf(url) }),
        ({ stream }) => Stream.runForEach(stream, (bytes) => Effect.sync(() => loop.push(bytes, onDelta)))
      )
    )
  }
  return { reply, replies: repliesOf(reply) }
}
