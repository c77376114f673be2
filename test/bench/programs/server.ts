/**
 * A server that is measured: ours with a scripted `Responder`, or one written by hand.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Responder from "effect-gptalk/Responder"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Prompt from "../prompt.js"
import * as Script from "../script.js"
import { answer, cpuMillis } from "./answer.js"
import { handle } from "./handServer.js"

const piecesOf = (prompt: string) => Script.pieces(Prompt.parse(prompt).frames)

const makeOurs = async (): Promise<Http.Server> => {
  const server = Http.createServer()
  const responder = Responder.make(({ prompt }) => Stream.fromIterable(piecesOf(prompt)))
  const layer = HttpLayerRouter.serve(GPTalkServer.layer(), { disableListenLog: true, disableLogger: true }).pipe(
    Layer.provide(Responder.layer(responder)),
    Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
  )
  await ManagedRuntime.make(layer).runtime()
  return server
}

const makeHand = async (): Promise<Http.Server> => {
  const server = Http.createServer(handle(piecesOf))
  server.listen({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  return server
}

answer({
  listen: async (): Promise<string> => {
    const server = await (process.argv[2] === "ours" ? makeOurs() : makeHand())
    server.keepAliveTimeout = 600_000
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  cpu: cpuMillis
})
