import { FrameDecoder } from "../../../src/internal/frameDecoder.js"
import type { Decoder } from "./index.js"

/** The decoder alone. */
export const ours: Decoder = (chunks) => {
  const decoder = new FrameDecoder(16 * 1024 * 1024)
  let text = ""
  for (const chunk of chunks) {
    for (const delta of decoder.push(chunk)) text += delta
  }
  if (decoder.outcome?._tag !== "Done") throw new Error("the reply has no end")
  return text
}
