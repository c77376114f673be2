/**
 * A server that is measured: ours, whose scripted `Responder` has all deltas at once or one by one, or one written by
 * hand.
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

const makeOurs = async (toDeltas: (pieces: ReadonlyArray<string>) => Stream.Stream<string>): Promise<Http.Server> => {
  const server = Http.createServer()
  const responder = Responder.make(({ prompt }) => toDeltas(piecesOf(prompt)))
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

const servers = {
  ours: () => makeOurs(Stream.fromIterable),
  oneByOne: () => makeOurs((pieces) => Stream.rechunk(Stream.fromIterable(pieces), 1)),
  hand: makeHand
}

answer({
  listen: async (): Promise<string> => {
    const server = await servers[process.argv[2] as keyof typeof servers]()
    server.keepAliveTimeout = 600_000
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  cpu: cpuMillis
})
