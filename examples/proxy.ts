/**
 * A reply through an HTTP proxy that wants a password. The proxy and the service run here, on free loopback ports, so
 * this needs no network: `npx tsx examples/proxy.ts`
 */
import { GPTalk } from "effect-gptalk"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { createProxy } from "proxy"

const listen = (server: Http.Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

const service = Http.createServer((request, response) => {
  request.resume()
  if (request.url?.includes("/stream")) {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(
      "data: {\"content\":\"Hello\"}\n\ndata: {\"content\":\"Hello through the proxy!\"}\n\ndata: [DONE]\n\n"
    )
  } else {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ data: { token: "token", expires_at: 4e9 } }))
  }
})

const proxy = createProxy(Http.createServer())
proxy.authenticate = (request) => request.headers["proxy-authorization"] === `Basic ${btoa("user:secret")}`
proxy.on("connect", (request) => console.log(`The proxy was asked for a tunnel to ${request.url}`))

const program = Effect.gen(function*() {
  const servicePort = yield* listen(service)
  const proxyPort = yield* listen(proxy)

  // In a program of your own, the URL comes from Config.redacted("GPTALK_PROXY"), or use NodeProxy.layerEnv.
  const proxyUrl = Redacted.make(`http://user:secret@127.0.0.1:${proxyPort}`)
  const Live = GPTalk.layer({ url: `http://127.0.0.1:${servicePort}` }).pipe(
    Layer.provide(NodeProxy.layer(proxyUrl))
  )

  yield* GPTalk.generateText({ prompt: "Hi" }).pipe(
    Effect.flatMap(Console.log),
    Effect.provide(Live)
  )
})

Effect.runPromise(Effect.scoped(program))
