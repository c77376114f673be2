import { type Client, repliesOf } from "./client.js"
import { fetched } from "./fetched.js"
import { HandLoop } from "./handLoop.js"

/** `fetch`, and a loop over the body. */
export const fetchLoop = (url: string): Client => {
  const open = fetched(url)
  const reply: Client["reply"] = async (prompt, onDelta) => {
    const reader = (await open(prompt)).body!.getReader()
    const loop = new HandLoop()
    for (let read = await reader.read(); !read.done; read = await reader.read()) loop.push(read.value, onDelta)
  }
  return { reply, replies: repliesOf(reply) }
}
