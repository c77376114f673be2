/**
 * The programs that do the work, each in a process of its own. They are bundled first, packages left outside: a loader
 * that compiles on the fly (tsx) wraps each function in a call, and would slow down what is measured.
 */
import * as Esbuild from "esbuild"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { rm } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { makeCacheDirectory } from "../utils/cacheDirectory.js"
import type { Answer, Question } from "./programs/answer.js"

const here = new URL(".", import.meta.url)
const root = new URL("../../", here)

export interface Programs {
  readonly start: (name: string, ...args: ReadonlyArray<string>) => Program
  readonly dispose: () => Promise<void>
}

export interface Program {
  readonly ask: <A>(method: string, argument?: unknown) => Promise<A>
  readonly stop: () => Promise<void>
}

export const build = async (): Promise<Programs> => {
  const outdir = await makeCacheDirectory("bench")
  await Esbuild.build({
    entryPoints: ["client", "decode", "frameServer", "loader", "server"].map((name) =>
      fileURLToPath(new URL(`programs/${name}.ts`, here))
    ),
    outdir,
    tsconfig: fileURLToPath(new URL("tsconfig.json", root)),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true
  })
  return {
    start: (name, ...args) => start(fork(`${outdir}/${name}.mjs`, args, { execArgv: ["--expose-gc"] })),
    dispose: () => rm(outdir, { recursive: true })
  }
}

const start = (child: ChildProcess): Program => {
  let next = 0
  const exit = once(child, "exit").then(([code]) => new Error(`a program of the bench ended early, with ${code}`))
  return {
    ask: async <A>(method: string, argument?: unknown): Promise<A> => {
      const id = next++
      const answered = new Promise<Answer>((resolve) => {
        const listen = (answer: Answer) => {
          if (answer.id !== id) return
          child.off("message", listen)
          resolve(answer)
        }
        child.on("message", listen)
      })
      child.send({ id, method, argument } satisfies Question)
      const answer = await Promise.race([answered, exit])
      if (answer instanceof Error) throw answer
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer.value as A
    },
    stop: async () => {
      child.kill()
      await exit
    }
  }
}
