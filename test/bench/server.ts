/**
 * Our server with a scripted `Responder` beside one written by hand.
 */
import type { Load } from "./clients/client.js"
import type { Part } from "./part.js"
import { ofTurn, type WarmUp } from "./programs/warmUp.js"
import * as Prompt from "./prompt.js"
import { number, range, table, type Target } from "./report.js"
import { interleave, ratio, spread } from "./stats.js"

const names = ["ours", "hand"] as const
type Name = typeof names[number]

const titles: Record<Name, string> = { ours: "`GPTalkServer`", hand: "`node:http` by hand" }

const concurrency = 8
const cells = [{ frames: 200, count: 400, shortCount: 16 }, { frames: 2000, count: 32, shortCount: 8 }]

export const server: Part = async ({ isShort, log, programs }) => {
  const servers = { ours: programs.start("server", "ours"), hand: programs.start("server", "hand") }
  const loaders = {
    ours: programs.start("loader", await servers.ours.ask<string>("listen")),
    hand: programs.start("loader", await servers.hand.ask<string>("listen"))
  }
  const rows: Array<ReadonlyArray<string>> = []
  const targets: Array<Target> = []
  for (const { count, frames, shortCount } of cells) {
    log(`server: ${frames} frames`)
    const load = { prompt: Prompt.make(frames), concurrency, count: isShort ? shortCount : count }
    const run = async (name: Name) => {
      await loaders[name].ask<void>("warmUp", { ...load, ...ofTurn(isShort) } satisfies Load & WarmUp)
      const before = await servers[name].ask<number>("cpu")
      const repliesPerSecond = await loaders[name].ask<number>("load", load satisfies Load)
      const cpu = await servers[name].ask<number>("cpu") - before
      return { framesPerSecond: repliesPerSecond * frames, cpu: cpu * 1000 / load.count / frames }
    }
    if (!isShort) { for (const name of names) await run(name) }
    const results = await interleave(isShort ? 1 : 9, names, run)
    const speeds = (name: Name) => results.get(name)!.map((result) => result.framesPerSecond / 1000)
    const costs = (name: Name) => results.get(name)!.map((result) => result.cpu)
    for (const name of names) {
      rows.push([titles[name], String(frames), range(spread(speeds(name))), range(spread(costs(name)))])
    }
    targets.push({
      what: `${titles.ours} against ${titles.hand}, frames a second`,
      at: `${number(frames)} frames`,
      ratio: ratio(speeds("ours"), speeds("hand")),
      bounds: { must: 0.8, aim: 1 }
    })
  }
  await Promise.all([...Object.values(servers), ...Object.values(loaders)].map((program) => program.stop()))
  return {
    title: "Server",
    note:
      `${concurrency} replies at once, read by a process that only looks at the last frame. \`GPTalkServer\` gets all deltas from its responder at once, and writes what frames there are up to 64 KiB at a time; the one by hand writes each frame by itself. Each server's turn begins with a second that does not count.`,
    tables: [table(["", "frames a reply", "thousand frames a second", "CPU µs a frame"], rows)],
    targets
  }
}
