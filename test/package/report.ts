/**
 * Checks, one after another: each prints a line, and what fails stops none that follow.
 */
let failures = 0
const start = performance.now()

const seconds = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`
const indent = (text: string) => text.trimEnd().replace(/^/gm, "     ")

/** What `check` gives back is printed beside its name. */
export const verify = async (name: string, check: () => Promise<string | void> | string | void): Promise<void> => {
  const from = performance.now()
  try {
    const found = await check()
    console.log(`ok   ${name}${found === undefined ? "" : `: ${found}`} (${seconds(from)})`)
  } catch (error) {
    failures++
    console.log(`FAIL ${name} (${seconds(from)})\n${indent(error instanceof Error ? error.message : String(error))}`)
  }
}

export const insist = (holds: boolean, otherwise: string): void => {
  if (!holds) throw new Error(otherwise)
}

export const finish = (): void => {
  console.log(failures === 0 ? `All holds (${seconds(start)})` : `${failures} failed (${seconds(start)})`)
  process.exitCode = failures === 0 ? 0 : 1
}
