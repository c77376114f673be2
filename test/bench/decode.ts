/**
 * Bytes into deltas, without a network.
 */
import type { Name } from "./decoders/index.js"
import type { Part } from "./part.js"
import type { Program } from "./programs.js"
import type { Sample } from "./programs/decode.js"
import { number, range, table, type Target } from "./report.js"
import { interleave, quantile, ratio, type Spread, spread } from "./stats.js"

const titles: Record<Name, string> = {
  ours: "effect-gptalk, decoder alone",
  oursAsStream: "effect-gptalk, as `Stream`, with session and requests",
  hand: "hand loop",
  eventsourceParser: "`eventsource-parser`",
  openai: "openai-node, `Stream.fromSSEResponse`",
  aiSdk: "AI SDK, `parseJsonEventStream`",
  effectAi: "`@effect/ai-openai`'s way"
}

const names = Object.keys(titles) as Array<Name>
const peers: ReadonlyArray<Name> = ["eventsourceParser", "openai", "aiSdk", "effectAi"]

const targets = new Map([
  [200, { alone: { must: 3, aim: 6 }, stream: { must: 1, aim: 2 } }],
  [2000, { alone: { must: 8, aim: 14 }, stream: { must: 1, aim: 2 } }],
  [8000, { alone: { must: 12, aim: 20 }, stream: { must: 1, aim: 2 } }]
])

type Costs = ReadonlyMap<Name, ReadonlyArray<number>>

const measure = async (
  program: Program,
  cell: Pick<Sample, "frames" | "isFrameByFrame">,
  isShort: boolean
): Promise<Costs> => {
  const sample = (decoder: Name, count: number) =>
    program.ask<number>("sample", { ...cell, decoder, count } satisfies Sample)
  if (isShort) return interleave(1, names, (name) => sample(name, 1))
  const millis = 60
  const counts = new Map<Name, number>()
  for (const name of names) {
    // The first one is slow: it only says how many warm it up.
    const first = await sample(name, 1)
    let warm = first
    for (let times = 0; times < 3 && warm < millis; times++) warm = await sample(name, Math.ceil(millis / warm))
    counts.set(name, Math.max(1, Math.ceil(millis / warm)))
  }
  return interleave(cell.frames > 2000 ? 3 : 9, names, (name) => sample(name, counts.get(name)!))
}

const fastestPeer = (costs: Costs): Name =>
  peers.reduce((a, b) => quantile(costs.get(a)!, 0.5) <= quantile(costs.get(b)!, 0.5) ? a : b)

const targetsOf = (frames: number, chunking: string, costs: Costs): ReadonlyArray<Target> => {
  const bounds = targets.get(frames)!
  const against = (other: Name, name: Name): Spread => ratio(costs.get(other)!, costs.get(name)!)
  const peer = fastestPeer(costs)
  const cell = `${number(frames)} frames, ${chunking}`
  return [
    { what: `decoder alone against the hand loop, ${cell}`, ratio: against("hand", "ours"), ...bounds.alone },
    { what: `as \`Stream\` against ${titles[peer]}, ${cell}`, ratio: against(peer, "oursAsStream"), ...bounds.stream }
  ]
}

export const decode: Part = async ({ isShort, log, programs }) => {
  const program = programs.start("decode")
  const rows: Array<ReadonlyArray<string>> = []
  const all: Array<Target> = []
  for (const frames of isShort ? [200, 2000] : [200, 2000, 8000]) {
    for (const isFrameByFrame of [true, false]) {
      const chunking = isFrameByFrame ? "a frame a chunk" : "64 KiB chunks"
      log(`decode: ${frames} frames, ${chunking}`)
      const costs = await measure(program, { frames, isFrameByFrame }, isShort)
      for (const name of names) {
        rows.push([
          titles[name],
          String(frames),
          chunking,
          range(spread(costs.get(name)!)),
          range(ratio(costs.get("hand")!, costs.get(name)!))
        ])
      }
      all.push(...targetsOf(frames, chunking, costs))
    }
  }
  await program.stop()
  return {
    title: "Decoding",
    note: "CPU time of one reply, from bytes in memory to deltas. Medians with their quartiles.",
    tables: [table(["", "frames", "", "CPU ms", "times as fast as the hand loop"], rows)],
    targets: all
  }
}
