/**
 * The public modules, and the peers that each may ask for beside those of the core.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export const publicModules: ReadonlyArray<string> = readdirSync(`${root}src`)
  .filter((file) => file.endsWith(".ts") && file !== "index.ts")
  .map((file) => file.slice(0, -3))

export const coreModules: ReadonlyArray<string> = Array.from(
  readFileSync(`${root}src/index.ts`, "utf8").matchAll(/export \* as (\w+) from/g),
  (match) => match[1]!
)

export const corePeers = ["effect", "@effect/platform"]

const furtherPeers: Readonly<Record<string, string>> = {
  GPTalkLanguageModel: "@effect/ai",
  ResponderLanguageModel: "@effect/ai",
  NodeProxy: "@effect/platform-node"
}

export const peersOf = (module: string): ReadonlyArray<string> =>
  module in furtherPeers ? [...corePeers, furtherPeers[module]!] : corePeers
