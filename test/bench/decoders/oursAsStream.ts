/**
 * The same as a `Stream`: the way that the body of a reply takes, behind the requests.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { Deadline, Watchdog } from "../../../src/internal/deadline.js"
import * as Reply from "../../../src/internal/reply.js"
import { Secrets } from "../../../src/internal/secrets.js"
import * as Settings from "../../../src/internal/settings.js"
import { bodyOf } from "./body.js"
import type { Decoder } from "./index.js"
import { joined } from "./joined.js"

const { maxFrameSize, timeouts } = Either.getOrThrow(Settings.make({}))
const watchdog = new Watchdog(timeouts, Clock.make())

export const oursAsStream: Decoder = async (chunks) => {
  const deadline = new Deadline(watchdog, () => {})
  const body = bodyOf(chunks, deadline)
  const { pull } = Reply.make({ body, deadline, secrets: new Secrets([]), maxFrameSize })
  const text = await Effect.runPromise(joined(Stream.fromChannel(Reply.toChannel(pull))))
  deadline.close()
  return text
}
