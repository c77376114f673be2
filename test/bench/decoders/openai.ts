import { Stream } from "openai/core/streaming"
import type { Decoder } from "./index.js"
import { responseOf } from "./response.js"

/** openai-node. */
export const openai: Decoder = async (chunks) => {
  let length = 0
  let text = ""
  const frames = Stream.fromSSEResponse<{ readonly content: string }>(responseOf(chunks), new AbortController())
  for await (const { content } of frames) {
    text += content.slice(length)
    length = content.length
  }
  return text
}
