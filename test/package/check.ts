/**
 * `npm run package`: what npm would publish, looked at from outside. It is built and packed, linted, installed in empty
 * projects with the peers that each module asks for, type-checked, run, and bundled for the browser.
 */
import { existsSync } from "node:fs"
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Bundle from "./bundle.js"
import { coreModules, corePeers, peersOf, publicModules, root } from "./modules.js"
import type { Project } from "./project.js"
import { install, oldest, run, tool } from "./project.js"
import { finish, insist, verify } from "./report.js"

const name = "effect-gptalk"

const pack = async (directory: string): Promise<string> => {
  await run(root, "npm", "pack", `--pack-destination=${directory}`)
  return join(directory, (await readdir(directory)).find((file) => file.endsWith(".tgz"))!)
}

const contents = async (directory: string): Promise<string> => {
  const inside = join(directory, "node_modules", name)
  const manifest = JSON.parse(await readFile(join(inside, "package.json"), "utf8"))
  insist(manifest.license === "MIT", "The licence is not MIT.")
  insist(manifest.sideEffects === false, "The package does not say that it has no side effects.")
  insist(manifest.keywords.length > 0, "There are no keywords.")
  insist(manifest.dependencies === undefined, "There are dependencies that are no peers.")
  const missing = ["README.md", "LICENSE", "CHANGELOG.md", "src", "dist"].filter((file) =>
    !existsSync(join(inside, file))
  )
  insist(missing.length === 0, `The package is without ${missing.join(", ")}.`)
  const changes = await readFile(join(inside, "CHANGELOG.md"), "utf8")
  insist(changes.includes(`## ${manifest.version}\n`), `The changelog says nothing of ${manifest.version}.`)
  const files = await readdir(inside, { recursive: true })
  for (const map of files.filter((file) => file.endsWith(".js.map"))) {
    const source = map.replace(/^dist/, "src").replace(/\.js\.map$/, ".ts")
    insist(files.includes(source), `${map} leads to ${source}, which is not there.`)
  }
  for (const module of publicModules) {
    const declarations = await readFile(join(inside, "dist", `${module}.d.ts`), "utf8")
    // The compiler drops a comment that belongs to an import which it drops.
    insist(declarations.startsWith("/**"), `The declarations of ${module} have lost what the module says of itself.`)
  }
  return `${files.length} files`
}

/** All public modules import exactly where the peers that they ask for are installed. */
const importsWith = async (project: Project, peers: ReadonlyArray<string>): Promise<string> => {
  await project.write(
    "imports.js",
    `const outcomes = {}
    for (const module of ${JSON.stringify(publicModules)}) {
      outcomes[module] = await import("${name}/" + module).then(() => "", (error) => error.code + ": " + error.message)
    }
    console.log(JSON.stringify(outcomes))`
  )
  const outcomes: Record<string, string> = JSON.parse(await project.node("imports.js"))
  for (const module of publicModules) {
    const missing = peersOf(module).filter((peer) => !peers.includes(peer))
    const outcome = outcomes[module]!
    insist(missing.length > 0 || outcome === "", `${module} does not import: ${outcome}`)
    insist(
      missing.every((peer) => outcome.startsWith("ERR_MODULE_NOT_FOUND") && outcome.includes(`'${peer}'`)),
      `${module} should not find ${missing.join()}, but: ${outcome || "it imports"}`
    )
  }
  return publicModules.filter((module) => outcomes[module] === "").join(", ")
}

const isInstalled = (project: Project, peer: string) => existsSync(join(project.directory, "node_modules", peer))

const namespaceImport = (module: string) => `import * as ${module} from "${name}/${module}"`

/** A program that imports the modules, and for the core has them by barrel and by subpath be one and the same. */
const importing = (modules: ReadonlyArray<string>): string =>
  [
    `import * as Barrel from "${name}"`,
    ...modules.map(namespaceImport),
    ...modules.map((module) =>
      coreModules.includes(module)
        ? `if (Barrel.${module} !== ${module}) throw new Error("${module} is there twice")`
        : `if ("${module}" in Barrel || Object.keys(${module}).length === 0) throw new Error("${module}")`
    )
  ].join("\n")

const modulesWith = (peers: ReadonlyArray<string>) =>
  publicModules.filter((module) => peersOf(module).every((peer) => peers.includes(peer)))

/** Neither at run time nor for the compiler. */
const closed = async (project: Project): Promise<string> => {
  const paths = [`${name}/internal/random`, `${name}/internal/random.js`, `${name}/index`, `${name}/dist/index.js`]
  await project.write(
    "closed.ts",
    paths.map((path) => `// @ts-expect-error\nimport("${path}").then(() => console.log("${path}"), () => {})`).join(
      "\n"
    )
  )
  await project.typeCheck({}, "closed.ts")
  const open = await project.node("out/closed.js")
  insist(open === "", `These can be imported: ${open}`)
  return paths.join(", ")
}

const runs = async (project: Project): Promise<void> => {
  await project.write("modules.ts", importing(modulesWith(corePeers)))
  await project.copy("test/package/programs/core.ts")
  await project.typeCheck({}, "modules.ts", "core.ts")
  await project.node("out/modules.js")
  const said = await project.node("out/core.js")
  insist(said === "Hello\n, program\n", `The program said ${JSON.stringify(said)}.`)
}

const core = async (directory: string, tarball: string): Promise<void> => {
  let project!: Project
  await verify("installs with the core's peers alone", async () => {
    project = await install(directory, tarball, corePeers)
    const others = ["@effect/ai", "@effect/platform-node"].filter((peer) => isInstalled(project, peer))
    insist(others.length === 0, `npm installed ${others.join()} too.`)
  })
  await verify("holds what a package should", () => contents(directory))
  await verify("imports what needs no more", () => importsWith(project, corePeers))
  await verify("asks each peer only for its own module", async () => {
    for (const module of publicModules) {
      const found = await Bundle.packagesOf(directory, module)
      const more = found.filter((peer) => !peersOf(module).includes(peer))
      insist(more.length === 0, `${module} imports ${more.join()}.`)
    }
  })
  await verify("type-checks, libraries too, and runs", () => runs(project))
  await verify("keeps its inside to itself", () => closed(project))
  const barrel = `export * from "${name}"`
  await verify("bundles for the browser", () => Bundle.forBrowser(directory, barrel))
  await verify("leaves no side effects in a bundle", async () => {
    const left = await Bundle.modulesLeft(directory, `export { Message } from "${name}"`)
    insist(left.join() === "Message.js", `A program that uses Message alone holds ${left.join()}.`)
    return Bundle.whatIsUsed(directory, `export { toPrompt } from "${name}/Message"`)
  })
  await verify("size of the core's own code", () => Bundle.ownSize(directory, barrel))
}

const withOldestPeers = (directory: string, tarball: string): Promise<void> =>
  verify("type-checks and runs with the oldest peers that it allows", async () => {
    await runs(await install(directory, tarball, corePeers, oldest))
    return corePeers.map((peer) => `${peer} ${oldest(peer)}`).join(", ")
  })

const withLanguageModel = async (directory: string, tarball: string): Promise<void> => {
  const peers = [...corePeers, "@effect/ai"]
  let project!: Project
  await verify("installs with @effect/ai", async () => {
    project = await install(directory, tarball, peers)
  })
  await verify("imports what needs no more", () => importsWith(project, peers))
  await verify("type-checks, libraries too, and runs", async () => {
    await project.write("modules.ts", importing(modulesWith(peers)))
    await project.typeCheck({}, "modules.ts")
    await project.node("out/modules.js")
  })
}

const withNode = async (directory: string, tarball: string): Promise<void> => {
  const peers = [...corePeers, "@effect/platform-node"]
  let project!: Project
  await verify("installs with @effect/platform-node", async () => {
    project = await install(directory, tarball, [...peers, "@types/node"])
  })
  await verify("imports what needs no more", () => importsWith(project, peers))
  await verify("type-checks and runs, and so does an example", async () => {
    await project.write("modules.ts", importing(modulesWith(peers)))
    for (const name of ["stream", "embedded-server", "echo", "node-server"]) await project.copy(`examples/${name}.ts`)
    // The declarations of @effect/platform-node want those of ws, which do not come with it.
    await project.typeCheck({ skipLibCheck: true, types: ["node"] }, "modules.ts", "stream.ts")
    await project.node("out/modules.js")
    const said = await project.node("out/stream.js")
    insist(said === "You said: Hello, world\n", `The program said ${JSON.stringify(said)}.`)
  })
}

const directory = await realpath(await mkdtemp(join(tmpdir(), `${name}-`)))
try {
  let tarball = ""
  await verify("builds and packs", async () => {
    tarball = await pack(directory)
  })
  if (tarball !== "") {
    await verify("publint", async () => {
      await run(directory, tool("publint"), "run", tarball, "--strict")
    })
    await verify("are the types wrong?", async () => {
      // It does not look behind a "./*" by itself.
      const entrypoints = [".", ...publicModules]
      const options = ["--profile", "esm-only", "--no-color", "--no-emoji", "--format", "ascii"]
      await run(directory, tool("attw"), tarball, ...options, "--entrypoints", ...entrypoints)
      return `${entrypoints.length} entry points`
    })
    await core(join(directory, "core"), tarball)
    await withOldestPeers(join(directory, "oldest"), tarball)
    await withLanguageModel(join(directory, "ai"), tarball)
    await withNode(join(directory, "node"), tarball)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
finish()
