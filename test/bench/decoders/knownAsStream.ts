/**
 * A `Stream` of deltas that are known beforehand, as the chunks of the response are read: what is left to pay where
 * decoding costs nothing.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Handlers } from "../../../src/internal/body.js"
import { FrameDecoder } from "../../../src/internal/frameDecoder.js"
import * as Reply from "../../../src/internal/reply.js"
import { bodyOf } from "./body.js"
import type { Decoder } from "./index.js"
import { joined } from "./joined.js"

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
  let index = 0
  const body = bodyOf(chunks)
  const handlers: Handlers<ReadonlyArray<string> | undefined> = {
    onChunks: ({ length }) => Effect.succeed(deltas.slice(index, index += length).flat()),
    onEnd: Effect.as(undefined)
  }
  return Effect.runPromise(joined(Stream.fromChannel(Reply.toChannel(() => body.read(handlers)))))
}
