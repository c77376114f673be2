import * as Undici from "@effect/platform-node/Undici"
import { type Client, repliesOf } from "./client.js"
import { HandLoop } from "./handLoop.js"
import { asker, headersOf } from "./session.js"

/** undici's `request`, and a loop over the body: the least that one can write. */
export const undiciLoop = (url: string): Client => {
  const dispatcher = new Undici.Agent()
  const ask = asker(url, async (path, body, headers) => {
    const response = await Undici.request(url + path, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      dispatcher
    })
    return response.body.json()
  })
  const reply: Client["reply"] = async (prompt, onDelta) => {
    const { body } = await Undici.request(url + await ask(prompt), { headers: headersOf(url), dispatcher })
    const loop = new HandLoop()
    for await (const chunk of body) loop.push(chunk as Uint8Array, onDelta)
  }
  return { reply, replies: repliesOf(reply) }
}
