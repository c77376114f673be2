/**
 * GPTalk for those who have no service yet: it talks, over real HTTP, to a server in this process that echoes.
 */
import { HttpLayerRouter, HttpServer } from "@effect/platform"
import { Config, ConfigProvider, Effect, Layer, Option } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import type * as Responder from "effect-gptalk/Responder"
import * as Echo from "./echo.js"
import * as NodeServer from "./node-server.js"

/** The protocol's routes on a free port of the loopback interface. */
export const serve = (responder: Layer.Layer<Responder.Responder>) =>
  HttpLayerRouter.serve(GPTalkServer.layer(), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(responder),
    Layer.provideMerge(NodeServer.layer({ host: "127.0.0.1", port: 0 }))
  )

/** The environment, as if `GPTALK_URL` were set to this URL: the other variables count for this server too. */
const environmentWith = (url: string) => ConfigProvider.fromJson({ ...process.env, GPTALK_URL: url })

const layerEmbedded = HttpServer.addressFormattedWith((url) =>
  // `Layer.setConfigProvider` would hold for the program too, and hide from it that `GPTALK_URL` is not set.
  Effect.withConfigProvider(Layer.build(GPTalk.layerConfig()), environmentWith(url))
).pipe(Layer.scopedContext, Layer.provide(serve(Echo.layer)))

/** The service of `GPTALK_URL`; none where that is not set. */
export const serviceUrl = Config.option(Config.nonEmptyString("GPTALK_URL"))

/** The service of `GPTALK_URL`, or the embedded server. */
export const layer = Layer.unwrapEffect(Effect.map(
  serviceUrl,
  Option.match({ onNone: () => layerEmbedded, onSome: () => GPTalk.layerConfig() })
))
