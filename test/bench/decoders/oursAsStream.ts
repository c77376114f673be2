/**
 * The same as a `Stream`: the way that the body of a reply takes, behind the requests.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { Body } from "../../../src/internal/body.js"
import * as Fault from "../../../src/internal/fault.js"
import { Patience, Watchdog } from "../../../src/internal/patience.js"
import * as Reply from "../../../src/internal/reply.js"
import * as Settings from "../../../src/internal/settings.js"
import type { Decoder } from "./index.js"
import { joined } from "./joined.js"
import { responseOf } from "./response.js"

const { maxFrameSize, timeouts } = Either.getOrThrow(Settings.make({}))
const watchdog = new Watchdog(timeouts, Clock.make())
const request = HttpClientRequest.get("http://localhost")

export const oursAsStream: Decoder = async (chunks) => {
  const body = new Body((error) => Fault.toConnectionError(error, { step: "stream", secrets: [] }))
  body.connect(HttpClientResponse.fromWeb(request, responseOf(chunks)), Runtime.defaultRuntime)
  const patience = new Patience(watchdog, () => {})
  watchdog.watch(patience)
  const { pull } = Reply.make({ body, patience, secrets: [], maxFrameSize })
  const text = await Effect.runPromise(joined(Stream.fromChannel(Reply.toChannel(pull))))
  watchdog.forget(patience)
  return text
}
