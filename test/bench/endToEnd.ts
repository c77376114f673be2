/**
 * Whole replies over loopback.
 */
import type { Load } from "./clients/client.js"
import type { Name } from "./clients/index.js"
import * as Network from "./network.js"
import type { Part } from "./part.js"
import type { Rate } from "./programs/client.js"
import { ofTurn, type WarmUp } from "./programs/warmUp.js"
import * as Prompt from "./prompt.js"
import { type Bounds, number, range, table, type Target } from "./report.js"
import { interleave, ratio, spread } from "./stats.js"

const names: ReadonlyArray<Name> = ["streamText", "generateText", "platform", "undiciLoop", "fetchLoop", "openai"]

interface Cell {
  readonly frames: number
  readonly concurrency: number
  /** Replies in a round, and in a round of the short form. */
  readonly count: number
  readonly shortCount: number
  readonly stream: Bounds
  readonly generate?: Bounds
  readonly openai: Bounds
}

const cells: ReadonlyArray<Cell> = [
  {
    frames: 200,
    concurrency: 1,
    count: 500,
    shortCount: 10,
    stream: { must: 0.65, aim: 0.8 },
    generate: { must: 0.8, aim: 1 },
    openai: { must: 1.8, aim: 2.3 }
  },
  {
    frames: 200,
    concurrency: 32,
    count: 800,
    shortCount: 32,
    stream: { must: 0.5, aim: 0.6 },
    generate: { must: 0.7, aim: 1 },
    openai: { must: 1.8, aim: 2.3 }
  },
  {
    frames: 2000,
    concurrency: 1,
    count: 16,
    shortCount: 2,
    stream: { must: 2.2, aim: 3 },
    openai: { must: 5, aim: 7 }
  },
  {
    frames: 2000,
    concurrency: 32,
    count: 32,
    shortCount: 4,
    stream: { must: 1.8, aim: 2.2 },
    openai: { must: 5, aim: 7 }
  }
]

type Rates = ReadonlyMap<Name, ReadonlyArray<Rate>>

const speeds = (rates: Rates, name: Name) => rates.get(name)!.map((rate) => rate.repliesPerSecond)
const costs = (rates: Rates, name: Name) => rates.get(name)!.map((rate) => rate.cpu)

const targetsOf = (cell: Cell, rates: Rates): ReadonlyArray<Target> => {
  const target = (name: Name, other: Name, bounds?: Bounds): Target => ({
    what: `${Network.titles[name]} against ${Network.titles[other]}`,
    at: `${number(cell.frames)} frames, ${cell.concurrency} at once`,
    ratio: ratio(speeds(rates, name), speeds(rates, other)),
    ...(bounds === undefined ? {} : { bounds })
  })
  return [
    target("streamText", "undiciLoop", cell.stream),
    target("generateText", "undiciLoop", cell.generate),
    target("streamText", "openai", cell.openai),
    target("platform", "undiciLoop")
  ]
}

export const endToEnd: Part = async ({ isShort, log, programs }) => {
  const network = await Network.connect(programs, names, [200, 2000])
  const rows: Array<ReadonlyArray<string>> = []
  const targets: Array<Target> = []
  for (const cell of cells) {
    const { concurrency, frames } = cell
    log(`end to end: ${frames} frames, ${concurrency} at once`)
    const load = {
      prompt: Prompt.make(frames),
      concurrency,
      count: isShort ? cell.shortCount : cell.count,
      ...ofTurn(isShort)
    }
    const run = (name: Name) => network.client(name).ask<Rate>("load", load satisfies Load & WarmUp)
    if (!isShort) { for (const name of names) await run(name) }
    const rates = await interleave(isShort ? 1 : frames > 200 ? 5 : 7, names, run)
    for (const name of names) {
      rows.push([
        Network.titles[name],
        String(frames),
        String(concurrency),
        range(spread(speeds(rates, name))),
        range(spread(costs(rates, name))),
        range(ratio(speeds(rates, name), speeds(rates, "undiciLoop"))),
        range(ratio(costs(rates, "undiciLoop"), costs(rates, name)))
      ])
    }
    targets.push(...targetsOf(cell, rates))
  }
  await network.stop()
  return {
    title: "End to end",
    note:
      "Whole replies on loopback, with a login for every fifth. The server writes each frame by itself; it and each client are processes of their own. Each client's turn begins with a second of replies that do not count, since a process that has waited for its turn has lost compiled code. Medians with their quartiles; ratios are against undici by hand, above 1 is faster or cheaper.",
    tables: [table(["", "frames", "at once", "replies a second", "CPU ms a reply", "speed", "CPU"], rows)],
    targets
  }
}
