/**
 * What a bundler makes of the installed package.
 */
import * as Esbuild from "esbuild"
import { gzipSync } from "node:zlib"
import { insist } from "./report.js"

const build = async (directory: string, code: string, options: Esbuild.BuildOptions) => {
  const { metafile, outputFiles } = await Esbuild.build({
    stdin: { contents: code, resolveDir: directory },
    absWorkingDir: directory,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
    logLevel: "silent",
    ...options
  })
  return { code: outputFiles![0]!.contents, metafile: metafile! }
}

const imports = (metafile: Esbuild.Metafile): ReadonlyArray<string> =>
  Object.values(metafile.inputs).flatMap((input) => input.imports).map((one) => one.original ?? one.path)

/** All but the package's own code is left out. */
const withoutPeers: Esbuild.BuildOptions = {
  plugins: [{
    name: "own-code",
    setup: (build) =>
      build.onResolve(
        { filter: /^[^.]/ },
        ({ path }) => path.startsWith("effect-gptalk") || path.startsWith("/") ? undefined : { path, external: true }
      )
  }]
}

/** The packages that a module of this package imports, itself or by way of its other modules. */
export const packagesOf = async (directory: string, module: string): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build(directory, `export * from "effect-gptalk/${module}"`, withoutPeers)
  const names = imports(metafile)
    .filter((path) => !path.startsWith(".") && !path.startsWith("effect-gptalk"))
    .map((path) => /^(?:@[^/]+\/)?[^/]+/.exec(path)![0])
  return [...new Set(names)].sort()
}

/** Everything, peers too, for the browser. */
export const forBrowser = async (directory: string, code: string): Promise<string> => {
  const bundle = await build(directory, code, { platform: "browser" })
  const fromNode = imports(bundle.metafile).filter((path) => path.startsWith("node:"))
  insist(fromNode.length === 0, `There are imports of ${fromNode.join(", ")}.`)
  return `${kibi(gzipSync(bundle.code, { level: 9 }).length)} kB gzipped with the peers in it`
}

/** What of the package is left of a program that uses only a part of it. */
export const modulesLeft = async (directory: string, code: string): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build(directory, code, withoutPeers)
  return Object.entries(Object.values(metafile.outputs)[0]!.inputs)
    .filter(([path, { bytesInOutput }]) => path !== "<stdin>" && bytesInOutput > 0)
    .map(([path]) => path.replace(/^.*\/dist\//, ""))
}

/** A function that uses no peer brings none along, though its module does: a bundler may leave out each declaration. */
export const whatIsUsed = async (directory: string, code: string): Promise<string> => {
  const bundle = await build(directory, code, { platform: "browser" })
  const size = `${bundle.code.length} bytes with the peers in it`
  insist(bundle.code.length <= 1024, `A program that uses one function alone has ${size}.`)
  return size
}

const kibi = (bytes: number): string => (bytes / 1024).toFixed(2)

/** What the core's own code, minified and gzipped, is meant to be at most, in bytes; and what it must not grow past. */
const target = 8 * 1024
const ceiling = 15.9 * 1024

/** The size of the package's own code, and of its parts where it has grown too much. */
export const ownSize = async (directory: string, code: string): Promise<string> => {
  const bundle = await build(directory, code, { platform: "browser", ...withoutPeers })
  const size = gzipSync(bundle.code, { level: 9 }).length
  const verdict = size <= target ? "within" : `${kibi(size - target)} kB above`
  const found = `${size} bytes (${kibi(size)} kB) gzipped, ${bundle.code.length} minified; ` +
    `${verdict} the target of ${kibi(target)} kB`
  const parts = Object.entries(Object.values(bundle.metafile.outputs)[0]!.inputs)
    .sort(([, left], [, right]) => right.bytesInOutput - left.bytesInOutput)
    .map(([path, { bytesInOutput }]) => `${String(bytesInOutput).padStart(6)} ${path.replace(/^.*\/dist\//, "")}`)
  insist(size <= ceiling, `${found}. Minified, by module:\n${parts.join("\n")}`)
  return found
}
