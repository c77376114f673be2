/**
 * A reply, delta by delta. `GPTALK_URL` names the service; without it an embedded server echoes.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as EmbeddedServer from "./embedded-server.js"

const program = GPTalk.streamText({ prompt: "Hello, world" }).pipe(
  Stream.concat(Stream.make("\n")),
  Stream.runForEach((delta) => Effect.sync(() => process.stdout.write(delta)))
)

// With a service of your own, `GPTalk.layerConfig()` or `GPTalk.layer({ url })` stands here.
const GPTalkLive = EmbeddedServer.layer.pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(GPTalkLive), NodeRuntime.runMain)
