/**
 * How long the first delta takes, with its three requests.
 */
import type { Name } from "./clients/index.js"
import * as Network from "./network.js"
import type { Part } from "./part.js"
import { ofTurn, type WarmUp } from "./programs/warmUp.js"
import * as Prompt from "./prompt.js"
import { number, table } from "./report.js"
import { interleave, quantile, ratio } from "./stats.js"

const frames = 20

export const firstDelta: Part = async ({ isShort, log, programs }) => {
  log("first delta")
  const names = ["streamText", "platform", "undiciLoop"] as const satisfies ReadonlyArray<Name>
  const network = await Network.connect(programs, names, [frames])
  const load = { count: isShort ? 10 : 300, prompt: Prompt.make(frames, "paced"), ...ofTurn(isShort) }
  const run = (name: typeof names[number]) =>
    network.client(name).ask<ReadonlyArray<number>>("firstDelta", load satisfies WarmUp)
  if (!isShort) { for (const name of names) await run(name) }
  const millis = await interleave(isShort ? 1 : 9, names, run)
  await network.stop()
  const quantiles = (name: typeof names[number], share: number) =>
    millis.get(name)!.map((round) => quantile(round, share))
  const row = (name: typeof names[number]) => [
    Network.titles[name],
    number(quantile(millis.get(name)!.flat(), 0.5)),
    number(quantile(millis.get(name)!.flat(), 0.99))
  ]
  return {
    title: "First delta",
    note:
      "Milliseconds from the call to the first delta, one reply after another. The server pauses after the first frame. Each client's turn begins with a second of replies that do not count.",
    tables: [table(["", "median", "99th percentile"], names.map(row))],
    targets: (["streamText", "platform"] as const).flatMap((name) =>
      ([["median", 0.5], ["99th percentile", 0.99]] as const).map(([at, share]) => ({
        what: `${Network.titles[name]} against ${Network.titles.undiciLoop}`,
        at,
        ratio: ratio(quantiles(name, share), quantiles("undiciLoop", share)),
        ...(name === "streamText" ? { bounds: { must: 1.3, aim: 1.1, isCost: true } } : {})
      }))
    )
  }
}
