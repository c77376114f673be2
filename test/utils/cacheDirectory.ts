import { mkdir, mkdtemp } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const cache = new URL("../../node_modules/.cache/", import.meta.url)

/** A new directory below the repository, so that the packages are found from there. The caller removes it. */
export const makeCacheDirectory = async (name: string): Promise<string> => {
  await mkdir(cache, { recursive: true })
  return mkdtemp(fileURLToPath(new URL(`${name}-`, cache)))
}
