/**
 * A process that serves one endless reply, with one reader that reads it and one that does not, until it is told to
 * stop. It says when both are under way.
 */
import { HttpLayerRouter } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import { createServer } from "node:http"
import * as Net from "node:net"
import * as GPTalkServer from "../../src/GPTalkServer.js"
import * as Protocol from "../../src/Protocol.js"
import * as Responder from "../../src/Responder.js"
import * as TestServer from "./TestServer.js"

const server = createServer()
const responder = Responder.make(() => Stream.repeatEffect(Effect.delay(Effect.succeed("x".repeat(1000)), "1 millis")))

const clients = Effect.gen(function*() {
  const { port } = server.address() as Net.AddressInfo
  const url = `http://127.0.0.1:${port}`
  for (const isReading of [true, false]) {
    const token = yield* TestServer.newStreamToken({ url })
    const socket = Net.connect({ host: "127.0.0.1", port })
    socket.on("error", () => {})
    socket.write(`GET ${Protocol.paths.stream}?token=${token} HTTP/1.1\r\nhost: gptalk.test\r\n\r\n`)
    yield* Effect.async<void>((resume) => {
      socket.once("data", () => resume(Effect.void))
    })
    if (isReading) socket.resume()
    else socket.pause()
  }
  yield* Effect.sleep("500 millis")
  yield* Effect.sync(() => process.stdout.write("under way\n"))
})

HttpLayerRouter.serve(GPTalkServer.layer(), { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provide(Responder.layer(responder)),
  Layer.merge(Layer.effectDiscard(clients)),
  Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" })),
  Layer.launch,
  NodeRuntime.runMain
)
