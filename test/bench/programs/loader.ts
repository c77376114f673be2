/**
 * Asks a server for replies and reads them with as little work as can be: of all but the last frame, only the length is
 * looked at.
 */
import * as Undici from "@effect/platform-node/Undici"
import { type Load, repliesOf } from "../clients/client.js"
import { asker, headersOf } from "../clients/session.js"
import * as Prompt from "../prompt.js"
import * as Script from "../script.js"
import { answer } from "./answer.js"
import { type WarmUp, warmUp } from "./warmUp.js"

const url = process.argv[2]!
const dispatcher = new Undici.Agent()
const ask = asker(url, async (path, body, headers) => {
  const response = await Undici.request(url + path, { method: "POST", headers, body: JSON.stringify(body), dispatcher })
  return response.body.json()
})

const lastContent = (body: Buffer): string => {
  const end = body.lastIndexOf("\n\ndata: [DONE]")
  const line = body.subarray(body.lastIndexOf("\n", end - 1) + 1, end).toString()
  return (JSON.parse(line.slice("data: ".length)) as { readonly content: string }).content
}

const scriptOf = (prompt: string) => Script.of(Prompt.parse(prompt).frames)

const replies = repliesOf(async (prompt, onDelta) => {
  const { body } = await Undici.request(url + await ask(prompt), { headers: headersOf(url), dispatcher })
  const chunks: Array<Buffer> = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  const whole = Buffer.concat(chunks)
  // A frame for each delta: a server that left some out would have less to do.
  if (whole.length !== scriptOf(prompt).bytes.length) throw new Error("the frames are others")
  onDelta(lastContent(whole))
})

answer({
  warmUp: ({ warmUpMillis, ...load }: Load & WarmUp) =>
    warmUp(warmUpMillis, () => replies({ ...load, count: load.concurrency })),

  /** Replies a second. */
  load: async (load: Load): Promise<number> => {
    const { text } = scriptOf(load.prompt)
    const before = performance.now()
    const texts = await replies(load)
    const seconds = (performance.now() - before) / 1000
    if (texts.length !== load.count || texts.some((other) => other !== text)) throw new Error("the text is another one")
    return load.count / seconds
  }
})
