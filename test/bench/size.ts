/**
 * How large the package's own code is, and how long it takes to import.
 */
import * as Esbuild from "esbuild"
import { execFile } from "node:child_process"
import { rm, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { makeCacheDirectory } from "../utils/cacheDirectory.js"
import type { Part } from "./part.js"
import { number, range, table } from "./report.js"
import { interleave, spread } from "./stats.js"

const root = new URL("../../", import.meta.url)
const source = (name: string) => fileURLToPath(new URL(`src/${name}.ts`, root))

const bundle = async (module: string) => {
  const { metafile, outputFiles } = await Esbuild.build({
    entryPoints: [source(module)],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    packages: "external",
    format: "esm",
    target: "es2022"
  })
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports)
  return {
    code: outputFiles[0]!.contents,
    peers: [...new Set(imports.filter((one) => one.external === true).map((one) => one.path))]
  }
}

const modules = [
  "index",
  "GPTalkServer",
  "Responder",
  "GPTalkLanguageModel",
  "ResponderLanguageModel",
  "GPTalkTest",
  "NodeProxy"
]

const sizes = async (): Promise<string> => {
  const rows = await Promise.all(modules.map(async (module) => {
    const { code } = await bundle(module)
    const name = module === "index" ? "`effect-gptalk`" : `\`effect-gptalk/${module}\``
    return [name, number(code.length / 1024), number(gzipSync(code, { level: 9 }).length / 1024)]
  }))
  return table(["own code, peers left out", "KiB minified", "KiB gzipped"], rows)
}

const timed = "const start = performance.now(); await import(process.argv[1]); " +
  "process.stdout.write(String(performance.now() - start))"

const importMillis = async (file: string): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", timed, file])
  return Number(stdout)
}

const starts = async (rounds: number): Promise<string> => {
  const directory = await makeCacheDirectory("bench")
  // File by file, as the package has it. What `npm run build` has left may be of another day.
  await Esbuild.build({
    entryPoints: [`${fileURLToPath(new URL("src", root))}/**/*.ts`],
    outdir: directory,
    format: "esm"
  })
  await writeFile(`${directory}/package.json`, JSON.stringify({ type: "module" }))
  const { peers } = await bundle("index")
  const files = {
    "its peers alone": `${directory}/peers.js`,
    "`effect-gptalk`, with its peers": `${directory}/index.js`
  }
  await writeFile(files["its peers alone"], peers.map((path) => `import "${path}"\n`).join(""))
  const names = Object.keys(files) as Array<keyof typeof files>
  const millis = await interleave(rounds, names, (name) => importMillis(files[name]))
  await rm(directory, { recursive: true })
  return table(["import", "ms"], names.map((name) => [name, range(spread(millis.get(name)!))]))
}

export const size: Part = async ({ isShort, log }) => {
  log("size and start")
  return {
    title: "Size and start",
    note: "What the package adds to a bundle that has Effect already, and what it takes to import it in a new process.",
    tables: [await sizes(), await starts(isShort ? 1 : 11)],
    targets: []
  }
}
