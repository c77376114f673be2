/**
 * How the CPU time of a reply grows with its length, end to end. The bytes grow with its square.
 */
import { writeFile } from "node:fs/promises"
import * as Chart from "./chart.js"
import type { Load } from "./clients/client.js"
import type { Name } from "./clients/index.js"
import * as Network from "./network.js"
import type { Part } from "./part.js"
import type { Rate } from "./programs/client.js"
import type { WarmUp } from "./programs/warmUp.js"
import * as Prompt from "./prompt.js"
import { number, table } from "./report.js"
import * as Script from "./script.js"
import { interleave, quantile } from "./stats.js"

const names: ReadonlyArray<Name> = ["streamText", "undiciLoop", "fetchLoop", "openai"]

/** So much CPU time of each client makes a round. */
const roundMillis = 400

export const curve: Part = async ({ isShort, log, programs }) => {
  const lengths = isShort ? [50, 200] : [100, 200, 500, 1000, 2000, 4000, 8000]
  const network = await Network.connect(programs, names, lengths)
  const points: Array<Chart.Point<Name>> = []
  if (!isShort) {
    log("curve: warming up")
    const load: Load & WarmUp = { prompt: Prompt.make(lengths[0]!), concurrency: 1, count: 1, warmUpMillis: 3000 }
    for (const name of names) await network.client(name).ask<Rate>("load", load)
  }
  for (const frames of lengths) {
    log(`curve: ${frames} frames`)
    const prompt = Prompt.make(frames)
    const run = (name: Name, count: number) =>
      network.client(name).ask<Rate>(
        "load",
        { prompt, concurrency: 1, count, warmUpMillis: isShort ? 0 : 500 } satisfies Load & WarmUp
      )
    const counts = new Map(names.map((name) => [name, 1]))
    if (!isShort) {
      for (const name of names) {
        const { cpu } = await run(name, Math.ceil(1000 / frames))
        counts.set(name, Math.ceil(roundMillis / cpu))
        await run(name, counts.get(name)!)
      }
    }
    const rates = await interleave(isShort ? 1 : frames > 4000 ? 3 : 5, names, (name) => run(name, counts.get(name)!))
    points.push({
      frames,
      bytes: Script.make(frames).bytes.length,
      millis: new Map(names.map((name) => [name, quantile(rates.get(name)!.map((rate) => rate.cpu), 0.5)]))
    })
  }
  await network.stop()
  if (!isShort) await writeFile(new URL("cpu.svg", import.meta.url), Chart.render(points, Network.titles))
  return {
    title: "Growth",
    note:
      "CPU milliseconds that the process of the client takes for a reply, by its length, end to end, one at once; in brackets, CPU nanoseconds for each byte of it.",
    tables: [
      table(
        ["frames", "MB on the wire", ...names.map((name) => Network.titles[name])],
        points.map(({ bytes, frames, millis }) => [
          String(frames),
          number(bytes / 1e6),
          ...names.map((name) => `${number(millis.get(name)!)} (${number(millis.get(name)! * 1e6 / bytes)})`)
        ])
      )
    ],
    targets: []
  }
}
