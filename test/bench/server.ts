/**
 * Our server with a scripted `Responder` beside one written by hand.
 */
import type { Load } from "./clients/client.js"
import type { Part } from "./part.js"
import { ofTurn, type WarmUp } from "./programs/warmUp.js"
import * as Prompt from "./prompt.js"
import { number, range, table, type Target } from "./report.js"
import { interleave, ratio, spread } from "./stats.js"

const titles = {
  ours: "`GPTalkServer`",
  oneByOne: "`GPTalkServer`, deltas one by one",
  hand: "`node:http` by hand"
}
type Name = keyof typeof titles

const names = Object.keys(titles) as ReadonlyArray<Name>

const concurrency = 8
const cells = [{ frames: 200, count: 400, shortCount: 16 }, { frames: 2000, count: 32, shortCount: 8 }]

export const server: Part = async ({ isShort, log, programs }) => {
  const start = async (name: Name) => {
    const server = programs.start("server", name)
    return { server, loader: programs.start("loader", await server.ask<string>("listen")) }
  }
  const started = { ours: await start("ours"), oneByOne: await start("oneByOne"), hand: await start("hand") }
  const rows: Array<ReadonlyArray<string>> = []
  const targets: Array<Target> = []
  for (const { count, frames, shortCount } of cells) {
    log(`server: ${frames} frames`)
    const load = { prompt: Prompt.make(frames), concurrency, count: isShort ? shortCount : count }
    const run = async (name: Name) => {
      const { loader, server } = started[name]
      await loader.ask<void>("warmUp", { ...load, ...ofTurn(isShort) } satisfies Load & WarmUp)
      const before = await server.ask<number>("cpu")
      const repliesPerSecond = await loader.ask<number>("load", load satisfies Load)
      const cpu = await server.ask<number>("cpu") - before
      return { framesPerSecond: repliesPerSecond * frames, cpu: cpu * 1000 / load.count / frames }
    }
    if (!isShort) { for (const name of names) await run(name) }
    const results = await interleave(isShort ? 1 : 9, names, run)
    const speeds = (name: Name) => results.get(name)!.map((result) => result.framesPerSecond / 1000)
    const costs = (name: Name) => results.get(name)!.map((result) => result.cpu)
    for (const name of names) {
      rows.push([titles[name], String(frames), range(spread(speeds(name))), range(spread(costs(name)))])
    }
    const target = (name: Name): Target => ({
      what: `${titles[name]} against ${titles.hand}, frames a second`,
      at: `${number(frames)} frames`,
      ratio: ratio(speeds(name), speeds("hand"))
    })
    targets.push({ ...target("ours"), bounds: { must: 0.8, aim: 1 } }, target("oneByOne"))
  }
  await Promise.all(Object.values(started).flatMap(({ loader, server }) => [loader.stop(), server.stop()]))
  return {
    title: "Server",
    note:
      `${concurrency} replies at once, read by a process that only looks at the last frame. \`GPTalkServer\` gets all deltas from its responder at once, and writes the frames that are there in pieces of up to 64 KiB; one by one, and by hand, each frame is a write. Each server's turn begins with a second that does not count.`,
    tables: [table(["", "frames a reply", "thousand frames a second", "CPU µs a frame"], rows)],
    targets
  }
}
