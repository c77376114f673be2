import { parseJsonEventStream, zodSchema } from "@ai-sdk/provider-utils"
import * as Zod from "zod"
import type { Decoder } from "./index.js"
import { responseOf } from "./response.js"

const schema = zodSchema(Zod.object({ content: Zod.string() }))

export const aiSdk: Decoder = async (chunks) => {
  let length = 0
  let text = ""
  const frames = parseJsonEventStream({ stream: responseOf(chunks).body!, schema })
  for await (
    const frame of frames as unknown as AsyncIterable<typeof frames extends ReadableStream<infer A> ? A : never>
  ) {
    if (!frame.success) throw frame.error
    const { content } = frame.value
    text += content.slice(length)
    length = content.length
  }
  return text
}
