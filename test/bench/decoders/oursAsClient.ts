/**
 * The package from end to end, but for the network: the service with its session, its requests and its timeouts over
 * an `HttpClient` that answers at once, in memory.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type { Decoder } from "./index.js"
import { joined } from "./joined.js"
import { responseOf } from "./response.js"

let body: ReadonlyArray<Uint8Array> = []

const json = (data: unknown) =>
  new Response(JSON.stringify({ data }), { headers: { "content-type": "application/json" } })

const client = HttpClient.make((request, url) =>
  Effect.sync(() =>
    HttpClientResponse.fromWeb(
      request,
      url.pathname.endsWith("stream")
        ? responseOf(body)
        : json({ token: "token", expires_at: Math.floor(Date.now() / 1000) + 3600 })
    )
  )
)

const runtime = ManagedRuntime.make(
  Layer.provide(GPTalk.layer({ url: "http://localhost" }), Layer.succeed(HttpClient.HttpClient, client))
)

export const oursAsClient: Decoder = (chunks) => {
  body = chunks
  return runtime.runPromise(joined(GPTalk.streamText({ prompt: "Hi" })))
}
