import { createParser } from "eventsource-parser"
import type { Decoder } from "./index.js"

export const eventsourceParser: Decoder = (chunks) => {
  const utf8 = new TextDecoder()
  let length = 0
  let text = ""
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === "[DONE]") return
      const { content } = JSON.parse(data) as { readonly content: string }
      text += content.slice(length)
      length = content.length
    }
  })
  for (const chunk of chunks) parser.feed(utf8.decode(chunk, { stream: true }))
  return text
}
