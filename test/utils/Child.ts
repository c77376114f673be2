/**
 * A program as its users run it: a process of its own, on pipes or on a terminal.
 */
import { Effect, Schedule, type Scope } from "effect"
import { build } from "esbuild"
import { execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { makeCacheDirectory } from "./cacheDirectory.js"

export interface Options {
  /** Laid over an environment without the variables that the examples read. */
  readonly env?: Readonly<Record<string, string>>
  /** Standard input, whole. It stays open without. */
  readonly input?: string
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Child {
  readonly pid: number
  readonly write: (text: string) => void
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits for a text on stdout, after the one that was seen last. */
  readonly see: (pattern: RegExp) => Effect.Effect<string>
  readonly seeError: (pattern: RegExp) => Effect.Effect<string>
  readonly ended: Effect.Effect<Ended>
}

const root = new URL("../..", import.meta.url)

const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CI$|GPTALK_|OPENAI_|NO_COLOR|FORCE_COLOR|.*_PROXY$)/i.test(name))
  )

/** Finds each text once: the next search begins after it. */
const watch = (text: () => string) => {
  let seen = 0
  return (pattern: RegExp): Effect.Effect<string> =>
    Effect.suspend(() => {
      const match = pattern.exec(text().slice(seen))
      if (match === null) return Effect.fail(`Expected ${pattern} in ${JSON.stringify(text().slice(seen))}`)
      seen += match.index + match[0].length
      return Effect.succeed(match[0])
    }).pipe(
      Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo("20 seconds"))),
      Effect.orDieWith((message) => new Error(message))
    )
}

export const run = (
  command: string,
  args: ReadonlyArray<string>,
  { env = {}, input }: Options = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const process = spawn(command, args, { cwd: root, env: { ...cleanEnv(), TERM: "xterm-256color", ...env } })
        const state = { stdout: "", stderr: "" }
        process.stdout.setEncoding("utf8").on("data", (text) => state.stdout += text)
        process.stderr.setEncoding("utf8").on("data", (text) => state.stderr += text)
        process.stdin.on("error", () => {})
        if (input !== undefined) process.stdin.end(input)
        const ended = new Promise<Ended>((resolve) => process.on("close", (code) => resolve({ code, ...state })))
        return { process, state, ended }
      }),
      ({ process }) => Effect.sync(() => process.kill("SIGKILL"))
    ),
    ({ ended, process, state }) => ({
      pid: process.pid!,
      write: (text) => process.stdin.write(text),
      stdout: () => state.stdout,
      stderr: () => state.stderr,
      see: watch(() => state.stdout),
      seeError: watch(() => state.stderr),
      ended: Effect.promise(() => ended)
    })
  )

/**
 * The examples as one file each, in a directory that is the caller's to remove: so they start in a fraction of the time
 * that tsx takes.
 */
export const bundleExamples = async (...names: ReadonlyArray<string>): Promise<string> => {
  const directory = await makeCacheDirectory("examples")
  await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: names.map((name) => `examples/${name}.ts`),
    bundle: true,
    // Looks for a file beside its source.
    external: ["proxy"],
    platform: "node",
    format: "esm",
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    logLevel: "error"
  })
  return directory
}

export interface OnTerminal extends Child {
  readonly resize: (columns: number) => void
}

/**
 * On a terminal of 80 columns, whose screen is `stdout`: `script` comes with every Debian. What follows the file in
 * the shell's line is `rest`.
 */
export const runOnTerminal = (
  file: string,
  options?: Options,
  rest = ""
): Effect.Effect<OnTerminal, never, Scope.Scope> =>
  Effect.gen(function*() {
    const command = `tty; stty cols 80 rows 24; exec "${process.execPath}" "${file}" ${rest}`
    const child = yield* run("script", ["-qefc", command, "/dev/null"], options)
    // The shell may warn of the locale first.
    const path = (yield* child.see(/\/dev\/\S+\r\n/)).trim()
    return {
      ...child,
      resize: (columns) => void execFileSync("stty", ["-F", path, "cols", String(columns)])
    }
  })
