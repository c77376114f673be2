/**
 * What the clients ask of the server of the bench, so that the server needs to remember nothing.
 */

/** `burst`: all frames at once; `paced`: a pause after the first; `held`: all frames, but never an end. */
export type Manner = "burst" | "paced" | "held"

export const make = (frames: number, manner: Manner = "burst"): string => `${manner}-${frames}`

export const parse = (prompt: string): { readonly manner: Manner; readonly frames: number } => {
  const [manner, frames] = prompt.split("-")
  return { manner: manner as Manner, frames: Number(frames) }
}
