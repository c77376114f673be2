/**
 * A `Stream` of deltas that are known beforehand, as each chunk of the response is read: what is left to pay where
 * decoding costs nothing.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FrameDecoder } from "../../../src/internal/frameDecoder.js"
import * as Reply from "../../../src/internal/reply.js"
import type { Decoder } from "./index.js"
import { joined } from "./joined.js"
import { responseOf } from "./response.js"

const known = new WeakMap<ReadonlyArray<Uint8Array>, ReadonlyArray<ReadonlyArray<string>>>()

const deltasOf = (chunks: ReadonlyArray<Uint8Array>) => {
  const before = known.get(chunks)
  if (before !== undefined) return before
  const decoder = new FrameDecoder(16 * 1024 * 1024)
  const deltas = chunks.map((chunk) => decoder.push(chunk))
  known.set(chunks, deltas)
  return deltas
}

export const knownAsStream: Decoder = (chunks) => {
  const deltas = deltasOf(chunks)
  const reader = responseOf(chunks).body!.getReader()
  let index = 0
  const pull: Reply.Pull = () =>
    Effect.async((resume) => {
      reader.read().then(({ done }) => resume(Effect.succeed(done ? undefined : deltas[index++])))
    })
  return Effect.runPromise(joined(Stream.fromChannel(Reply.toChannel(pull))))
}
