/**
 * What an open reply takes while it waits for the next frame.
 */
import type { Name } from "./clients/index.js"
import * as Network from "./network.js"
import type { Part } from "./part.js"
import type { Memory } from "./programs/client.js"
import { range, table } from "./report.js"
import { interleave, ratio, spread } from "./stats.js"

const names = ["streamText", "platform", "undiciLoop"] as const satisfies ReadonlyArray<Name>
const frames = 20

export const memory: Part = async ({ isShort, log, programs }) => {
  const count = isShort ? 50 : 1000
  log(`memory: ${count} open replies`)
  const results = await interleave(isShort ? 1 : 3, names, async (name) => {
    const network = await Network.connect(programs, [name], [frames])
    const result = await network.client(name).ask<Memory>("hold", { count, frames })
    await network.stop()
    return result
  })
  const used = (name: typeof names[number]) => results.get(name)!.map((memory) => memory.used / 1024)
  const rss = (name: typeof names[number]) => results.get(name)!.map((memory) => memory.rss / 1024)
  return {
    title: "Memory",
    note: `KiB of each of ${count} replies held open, ${frames} frames read, after garbage collection.`,
    tables: [
      table(
        ["", "heap and buffers", "resident"],
        names.map((name) => [Network.titles[name], range(spread(used(name))), range(spread(rss(name)))])
      )
    ],
    targets: (["streamText", "platform"] as const).map((name) => ({
      what: `${Network.titles[name]} against ${Network.titles.undiciLoop}`,
      at: "heap and buffers",
      ratio: ratio(used(name), used("undiciLoop")),
      ...(name === "streamText" ? { bounds: { must: 1.5, aim: 1.2, isCost: true } } : {})
    }))
  }
}
