/**
 * One client in a process of its own.
 */
import type { Load } from "../clients/client.js"
import { clients, type Name } from "../clients/index.js"
import * as Prompt from "../prompt.js"
import * as Script from "../script.js"
import { answer, collectGarbage, cpuMillis } from "./answer.js"
import { type WarmUp, warmUp } from "./warmUp.js"

export interface Rate {
  readonly repliesPerSecond: number
  /** CPU milliseconds of one reply. */
  readonly cpu: number
}

export interface Memory {
  /** Bytes on the heap and beside it, and in all, of one open reply. */
  readonly used: number
  readonly rss: number
}

const [name, url] = process.argv.slice(2) as [Name, string]
const client = (await clients[name]())(url)

const used = () => {
  collectGarbage()
  collectGarbage()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { used: heapUsed + external, rss }
}

/** One that has been read up to its text, which only its end is to follow. */
const open = (prompt: string, text: string, onEnd: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    // Where the text is, and not what came: what is held here is measured too.
    let length = 0
    client.reply(prompt, (delta) => {
      if (!text.startsWith(delta, length)) reject(new Error("the text is another one"))
      length += delta.length
      if (length === text.length) resolve()
    }).finally(onEnd).then(() => reject(new Error("the reply has ended")), reject)
  })

answer({
  load: async ({ warmUpMillis, ...load }: Load & WarmUp): Promise<Rate> => {
    const { text } = Script.of(Prompt.parse(load.prompt).frames)
    await warmUp(warmUpMillis, () => client.replies({ ...load, count: load.concurrency }))
    const cpuBefore = cpuMillis()
    const before = performance.now()
    const texts = await client.replies(load)
    const seconds = (performance.now() - before) / 1000
    const cpu = cpuMillis() - cpuBefore
    if (texts.length !== load.count) throw new Error("there are replies missing")
    if (texts.some((other) => other !== text)) throw new Error("the text is another one")
    return { repliesPerSecond: load.count / seconds, cpu: cpu / load.count }
  },

  /** Milliseconds to the first delta, for each of so many replies, one after another. */
  firstDelta: async (
    { count, prompt, warmUpMillis }: Pick<Load, "count" | "prompt"> & WarmUp
  ): Promise<ReadonlyArray<number>> => {
    await warmUp(warmUpMillis, () => client.reply(prompt, () => {}))
    const { text } = Script.of(Prompt.parse(prompt).frames)
    const millis: Array<number> = []
    for (let index = 0; index < count; index++) {
      const before = performance.now()
      let first: number | undefined
      let whole = ""
      await client.reply(prompt, (delta) => {
        first ??= performance.now()
        whole += delta
      })
      if (first === undefined || whole !== text) throw new Error("the text is another one")
      millis.push(first - before)
    }
    return millis
  },

  /** What each of so many replies takes that are open, all their deltas read. */
  hold: async ({ count, frames }: { readonly count: number; readonly frames: number }): Promise<Memory> => {
    const prompt = Prompt.make(frames, "held")
    const { text } = Script.of(frames)
    const wave = 50
    let ended = 0
    const openOne = () => open(prompt, text, () => ended++)
    const openWave = (size: number) => Promise.all(Array.from({ length: size }, openOne))
    await openWave(wave)
    const before = used()
    for (let index = 0; index < count; index += wave) await openWave(Math.min(wave, count - index))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const after = used()
    if (ended > 0) throw new Error("a reply has ended that was to stay open")
    return { used: (after.used - before.used) / count, rss: (after.rss - before.rss) / count }
  }
})
