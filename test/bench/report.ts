/**
 * Results as Markdown. A target is met or missed in words only: no time fails a run.
 */
import * as Os from "node:os"
import type { Spread } from "./stats.js"

export interface Bounds {
  readonly must: number
  readonly aim: number
  /** Where less is better, the bounds are from above. */
  readonly isCost?: boolean
}

export interface Target {
  readonly what: string
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
  return meets(aim) ? "met, and the aim too" : meets(must) ? "met" : "missed"
}

const boundCells = (ratio: Spread, bounds: Bounds): ReadonlyArray<string> => {
  const sign = bounds.isCost === true ? "≤ " : ""
  return [`${sign}${bounds.must}`, `${sign}${bounds.aim}`, verdict(ratio, bounds)]
}

const targetsTable = (targets: ReadonlyArray<Target>): string =>
  table(
    ["ratio", "measured (quartiles)", "must", "aim", "target"],
    targets.map(({ bounds, ratio, what }) => [
      what,
      range(ratio),
      ...(bounds === undefined ? ["", "", "to compare"] : boundCells(ratio, bounds))
    ])
  )

export const machine = (): string => {
  const cpus = Os.cpus()
  const model = cpus[0]?.model.trim() ?? "unknown CPU"
  const date = new Date().toISOString().slice(0, 10)
  return `${model}, ${cpus.length} cores, Node ${process.versions.node}, ${Os.type()}, ${date}`
}

export const render = ({ note, tables, targets, title }: Section): string =>
  [`### ${title}`, note, ...tables, ...(targets.length === 0 ? [] : [targetsTable(targets)])].join("\n\n") + "\n"
