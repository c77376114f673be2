/**
 * Bytes into deltas, without a network.
 */
import type { Name } from "./decoders/index.js"
import type { Part } from "./part.js"
import type { Program } from "./programs.js"
import type { Sample } from "./programs/decode.js"
import { type Bounds, number, range, table, type Target } from "./report.js"
import { interleave, ratio, spread } from "./stats.js"

const titles: Record<Name, string> = {
  ours: "effect-gptalk, decoder alone",
  oursAsStream: "effect-gptalk, as `Stream`",
  oursAsClient: "effect-gptalk, the whole client",
  knownAsStream: "a `Stream` of the same deltas, known beforehand",
  hand: "hand loop",
  eventsourceParser: "`eventsource-parser`, called with each chunk",
  eventsourceParserStream: "`eventsource-parser`, `EventSourceParserStream`",
  openai: "openai-node, `Stream.fromSSEResponse`",
  aiSdk: "AI SDK, `parseJsonEventStream`",
  effectAi: "`@effect/ai-openai`'s way"
}

const names = Object.keys(titles) as Array<Name>
const peers = [
  "eventsourceParser",
  "eventsourceParserStream",
  "openai",
  "aiSdk",
  "effectAi"
] as const satisfies ReadonlyArray<Name>

const alone = new Map<number, Bounds>([
  [200, { must: 3, aim: 6 }],
  [2000, { must: 8, aim: 14 }],
  [8000, { must: 12, aim: 20 }]
])
const asStream: Bounds = { must: 1, aim: 2 }

const sampleMillis = 60
/** What is compiled while the first replies come is not yet what runs. */
const warmUpMillis = 1000
/** What takes longer for one reply is measured once. */
const tooLong = 3000

type Costs = ReadonlyMap<Name, ReadonlyArray<number>>

const measure = async (
  program: Program,
  cell: Pick<Sample, "frames" | "isFrameByFrame">,
  isShort: boolean
): Promise<Costs> => {
  const sample = (decoder: Name, count: number) =>
    program.ask<number>("sample", { ...cell, decoder, count } satisfies Sample)
  if (isShort) return interleave(1, names, (name) => sample(name, 1))
  const firsts = new Map<Name, number>()
  const counts = new Map<Name, number>()
  for (const name of names) {
    firsts.set(name, await sample(name, 1))
    const until = performance.now() + warmUpMillis
    let warm = firsts.get(name)!
    while (performance.now() < until) warm = await sample(name, Math.ceil(sampleMillis / warm))
    counts.set(name, Math.ceil(sampleMillis / warm))
  }
  return interleave(cell.frames > 2000 ? 3 : 9, names, async (name) => {
    const first = firsts.get(name)!
    return first > tooLong ? first : sample(name, counts.get(name)!)
  })
}

const targetsOf = (frames: number, chunking: string, costs: Costs): ReadonlyArray<Target> => {
  const target = (name: Name, what: string, other: Name, bounds?: Bounds): Target => ({
    what: `${what} against ${titles[other]}, ${chunking}`,
    at: `${number(frames)} frames`,
    ratio: ratio(costs.get(other)!, costs.get(name)!),
    ...(bounds === undefined ? {} : { bounds })
  })
  return [
    target("ours", "decoder alone", "hand", alone.get(frames)),
    ...peers.map((peer) => target("oursAsStream", "as `Stream`", peer, asStream)),
    target("knownAsStream", titles.knownAsStream, "eventsourceParser"),
    target("oursAsClient", "the whole client", "aiSdk")
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
    note:
      "CPU time of one reply, from bytes in memory to deltas. Medians with their quartiles. As `Stream` is the way of a reply's body from a web response to deltas, as those libraries that are named with a stream have it; the whole client is that with both requests and a share of a login, over an `HttpClient` in memory; the hand loop is only called with each chunk. What takes more than 3 s for a reply is measured once, before all rounds.",
    tables: [table(["", "frames", "", "CPU ms", "times as fast as the hand loop"], rows)],
    targets: all
  }
}
