/**
 * A project of a user's, outside the repository: it knows the package by its tarball only.
 */
import { execFile } from "node:child_process"
import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { promisify } from "node:util"
import { root } from "./modules.js"

const exec = promisify(execFile)

export const run = async (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> => {
  try {
    const { stdout } = await exec(command, args, { cwd, maxBuffer: 2 ** 26 })
    return stdout
  } catch (error) {
    const { message, stderr = "", stdout = "" } = error as Error & { stdout?: string; stderr?: string }
    throw new Error(stdout + stderr === "" ? message : `${stdout}${stderr}`)
  }
}

/** A command of the repository's own tools. */
export const tool = (name: string): string => join(root, "node_modules", ".bin", name)

const lock: { readonly packages: Readonly<Record<string, { readonly version: string }>> } = JSON.parse(
  await readFile(`${root}package-lock.json`, "utf8")
)

/** The version of the lock file. */
const locked = (name: string): string => lock.packages[`node_modules/${name}`]!.version

/** What npm adds by itself, as peers of peers, stays at the lock file's versions too. */
const overrides = (direct: ReadonlyArray<string>) =>
  Object.keys(lock.packages)
    .map((path) => path.replace("node_modules/", ""))
    .filter((name) => /^@effect\/[\w-]+$/.test(name) && !direct.includes(name))
    .map((name) => [name, locked(name)])

const { peerDependencies }: { readonly peerDependencies: Readonly<Record<string, string>> } = JSON.parse(
  await readFile(`${root}package.json`, "utf8")
)

/** The oldest version of a peer that the package allows. */
export const oldest = (name: string): string => peerDependencies[name]!.replace("^", "")

export interface Project {
  readonly directory: string
  readonly write: (file: string, text: string) => Promise<void>
  /** A copy of a file of the repository. */
  readonly copy: (file: string) => Promise<void>
  readonly typeCheck: (options: object, ...files: ReadonlyArray<string>) => Promise<void>
  readonly node: (...args: ReadonlyArray<string>) => Promise<string>
}

/**
 * Installs the tarball and, of everything that it could ask for, only `dependencies`.
 */
export const install = async (
  directory: string,
  tarball: string,
  dependencies: ReadonlyArray<string>,
  versionOf: (name: string) => string = locked
): Promise<Project> => {
  await mkdir(directory, { recursive: true })
  const write = (file: string, text: string) => writeFile(join(directory, file), text)
  const manifest = {
    name: "a-program",
    private: true,
    type: "module",
    dependencies: {
      "effect-gptalk": `file:${tarball}`,
      ...Object.fromEntries(dependencies.map((name) => [name, versionOf(name)]))
    },
    overrides: Object.fromEntries(overrides(dependencies))
  }
  await write("package.json", JSON.stringify(manifest, undefined, 2))
  // Within `npm run`, npm would otherwise take the repository for the project.
  await run(directory, "npm", "install", `--prefix=${directory}`, "--prefer-offline", "--no-audit", "--no-fund")
  return {
    directory,
    write,
    copy: (file) => cp(join(root, file), join(directory, basename(file))),
    typeCheck: async (options, ...files) => {
      const compilerOptions = {
        target: "ES2022",
        lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
        module: "NodeNext",
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        types: [],
        outDir: "out",
        ...options
      }
      await write("tsconfig.json", JSON.stringify({ compilerOptions, files }))
      await run(directory, tool("tsc"), "-p", ".")
    },
    node: (...args) => run(directory, process.execPath, ...args)
  }
}
