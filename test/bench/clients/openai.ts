import { Stream } from "openai/core/streaming"
import { type Client, repliesOf } from "./client.js"
import { fetched } from "./fetched.js"

/** `fetch`, and the stream of openai-node over the response. */
export const openai = (url: string): Client => {
  const open = fetched(url)
  const reply: Client["reply"] = async (prompt, onDelta) => {
    const response = await open(prompt)
    const frames = Stream.fromSSEResponse<{ readonly content: string }>(response, new AbortController())
    let length = 0
    for await (const { content } of frames) {
      if (content.length > length) onDelta(content.slice(length))
      length = content.length
    }
  }
  return { reply, replies: repliesOf(reply) }
}
