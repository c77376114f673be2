/**
 * `npm run bench`: everything side by side, as Markdown on stdout; what is going on goes to stderr.
 *
 * `-- --short` is the form for CI, which fails only when a result is wrong; `-- --only decode,server` runs some parts;
 * `-- --readme` also puts the ratios into the README.
 */
import { readFile, writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { curve } from "./curve.js"
import { decode } from "./decode.js"
import { endToEnd } from "./endToEnd.js"
import { firstDelta } from "./firstDelta.js"
import { memory } from "./memory.js"
import type { Part } from "./part.js"
import * as Programs from "./programs.js"
import * as Report from "./report.js"
import { server } from "./server.js"
import { size } from "./size.js"

const parts: Readonly<Record<string, Part>> = { decode, e2e: endToEnd, first: firstDelta, memory, server, curve, size }

const readme = new URL("../../README.md", import.meta.url)

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    readme: { type: "boolean", default: false },
    only: { type: "string", default: Object.keys(parts).join(",") }
  }
})
const names = values.only.split(",")
const unknown = names.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}.`)
  process.exit(1)
}

if (values.short && values.readme) {
  console.error("The short form measures nothing that the README could show.")
  process.exit(1)
}

const start = performance.now()
const log = (line: string) => console.error(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${line}`)
const programs = await Programs.build()
try {
  console.log(`${Report.machine()}\n\n${Report.versions()}\n`)
  if (values.short) console.log("The short form: everything once and cold, so the times say nothing.\n")
  for (const name of names) {
    const section = await parts[name]!({ programs, isShort: values.short, log })
    console.log(Report.render(section))
    if (values.readme) await writeFile(readme, Report.inserted(await readFile(readme, "utf8"), section))
  }
} finally {
  await programs.dispose()
}
log("done")
process.exit()
