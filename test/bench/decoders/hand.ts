import { HandLoop } from "../clients/handLoop.js"
import type { Decoder } from "./index.js"

/** `TextDecoder`, split, `JSON.parse`, `slice`. */
export const hand: Decoder = (chunks) => {
  const loop = new HandLoop()
  let text = ""
  for (const chunk of chunks) loop.push(chunk, (delta) => text += delta)
  return text
}
