import { EventSourceParserStream } from "eventsource-parser/stream"
import type { Decoder } from "./index.js"
import { responseOf } from "./response.js"

/** As the library's README reads a response. */
export const eventsourceParserStream: Decoder = async (chunks) => {
  let length = 0
  let text = ""
  const events = responseOf(chunks).body!
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream())
  for await (const { data } of events) {
    if (data === "[DONE]") break
    const { content } = JSON.parse(data) as { readonly content: string }
    text += content.slice(length)
    length = content.length
  }
  return text
}
