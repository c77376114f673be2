/**
 * Results as Markdown. A target is met or missed in words only: no time fails a run.
 */
import * as Arr from "effect/Array"
import { readFileSync } from "node:fs"
import * as Os from "node:os"
import type { Spread } from "./stats.js"

export interface Bounds {
  readonly must: number
  readonly aim: number
  /** Where less is better, the bounds are from above. */
  readonly isCost?: boolean
}

/** A ratio, in the row `what` and the column `at` of the ratios of its section. */
export interface Target {
  readonly what: string
  readonly at: string
  readonly ratio: Spread
  /** None where it is only there to compare with. */
  readonly bounds?: Bounds
}

export interface Section {
  readonly title: string
  readonly note: string
  readonly tables: ReadonlyArray<string>
  readonly targets: ReadonlyArray<Target>
}

export const number = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export const range = ({ high, low, median }: Spread): string => `${number(median)} (${number(low)}–${number(high)})`

export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [line(head), line(head.map((_, index) => index === 0 ? "---" : "---:")), ...rows.map(line)].join("\n")
}

const verdict = ({ median }: Spread, { aim, isCost = false, must }: Bounds): string => {
  const meets = (bound: number) => isCost ? median <= bound : median >= bound
  return meets(aim) ? "aim met" : meets(must) ? "met" : "missed"
}

const none = "–"

const boundCells = ({ bounds, ratio }: Target): ReadonlyArray<string> => {
  if (bounds === undefined) return [none, none, none]
  const sign = bounds.isCost === true ? "≤ " : ""
  return [`${sign}${bounds.must}`, `${sign}${bounds.aim}`, verdict(ratio, bounds)]
}

/** What the columns have in common, or one after another. */
const together = (cells: ReadonlyArray<string>): string =>
  cells.every((cell) => cell === cells[0]) ? cells[0]! : cells.join(" / ")

const targetsTable = (targets: ReadonlyArray<Target>): string => {
  const columns = [...new Set(targets.map(({ at }) => at))]
  const rows = Object.entries(Arr.groupBy(targets, ({ what }) => what))
  return table(
    ["ratio", ...columns, "must", "aim", "target"],
    rows.map(([what, row]) => {
      const bounds = row.map(boundCells)
      return [
        what,
        ...columns.map((column) => range(row.find(({ at }) => at === column)!.ratio)),
        ...[0, 1, 2].map((index) => together(bounds.map((cells) => cells[index]!)))
      ]
    })
  )
}

/** The document with the ratios of the section as the table below the paragraph that begins with its title. */
export const inserted = (document: string, { targets, title }: Section): string => {
  if (targets.length === 0) return document
  const below = new RegExp(`(?<=^\\*\\*${title}\\*\\*.*\\n\\n)(?:\\|.*\\n)+`, "m")
  if (!below.test(document)) throw new Error(`There is no table below **${title}**.`)
  return document.replace(below, () => `${targetsTable(targets)}\n`)
}

const packages = ["effect", "@effect/platform", "undici", "openai", "@ai-sdk/provider-utils", "eventsource-parser"]

const versionOf = (name: string): string => {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }
  return `${name} ${version}`
}

/** What was measured against what; `fetch` is the undici within Node. */
export const versions = (): string =>
  [...packages.map(versionOf), `\`fetch\` of undici ${process.versions["undici"]}`].join(", ")

export const machine = (): string => {
  const cpus = Os.cpus()
  const model = cpus[0]?.model.trim() ?? "unknown CPU"
  const date = new Date().toISOString().slice(0, 10)
  return `${model}, ${cpus.length} cores, Node ${process.versions.node}, ${Os.type()}, ${date}`
}

export const render = ({ note, tables, targets, title }: Section): string =>
  [`### ${title}`, note, ...tables, ...(targets.length === 0 ? [] : [targetsTable(targets)])].join("\n\n") + "\n"
