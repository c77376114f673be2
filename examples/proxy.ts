/**
 * A reply through an HTTP proxy that wants a password. The proxy and the service run here, on free loopback ports, so
 * this needs no network: `npx tsx examples/proxy.ts`
 */
import { HttpServer } from "@effect/platform"
import { Console, Effect, Layer, Redacted } from "effect"
import { GPTalk } from "effect-gptalk"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import * as Responder from "effect-gptalk/Responder"
import { once } from "node:events"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { createProxy } from "proxy"
import * as EmbeddedServer from "./embedded-server.js"

const startProxy = Effect.promise(async () => {
  const proxy = createProxy(Http.createServer())
  proxy.authenticate = (request) => request.headers["proxy-authorization"] === `Basic ${btoa("user:secret")}`
  proxy.on("connect", (request) => console.log(`The proxy was asked for a tunnel to ${request.url}`))
  await once(proxy.listen(0, "127.0.0.1"), "listening")
  return proxy
})

const program = Effect.gen(function*() {
  const proxy = yield* Effect.acquireRelease(startProxy, (proxy) => Effect.sync(() => proxy.close()))
  // In a program of your own, the URL comes from Config.redacted("GPTALK_PROXY"), or use NodeProxy.layerEnv.
  const proxyUrl = Redacted.make(`http://user:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`)
  const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
  yield* GPTalk.generateText({ prompt: "Hello through the proxy!" }).pipe(
    Effect.flatMap(Console.log),
    Effect.provide(Layer.provide(GPTalk.layer({ url }), NodeProxy.layer(proxyUrl)))
  )
})

program.pipe(Effect.scoped, Effect.provide(EmbeddedServer.serve(Responder.layerEcho)), Effect.runPromise)
