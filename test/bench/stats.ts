/**
 * Medians and ratios. A ratio is taken within a round, where both sides saw the same machine, and only then the median.
 */

export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const low = sorted[Math.floor(position)] ?? NaN
  const high = sorted[Math.ceil(position)] ?? NaN
  return low + (high - low) * (position - Math.floor(position))
}

export interface Spread {
  readonly median: number
  /** The quartiles. */
  readonly low: number
  readonly high: number
}

export const spread = (values: ReadonlyArray<number>): Spread => ({
  median: quantile(values, 0.5),
  low: quantile(values, 0.25),
  high: quantile(values, 0.75)
})

/** Round by round, how many times `values` the `others` are. */
export const ratio = (others: ReadonlyArray<number>, values: ReadonlyArray<number>): Spread =>
  spread(others.map((other, round) => other / values[round]!))

/** Runs everything once in each round, each round beginning with another one, and gives each one's results in order. */
export const interleave = async <K, A>(
  rounds: number,
  keys: ReadonlyArray<K>,
  run: (key: K) => Promise<A>
): Promise<ReadonlyMap<K, ReadonlyArray<A>>> => {
  const results = new Map(keys.map((key) => [key, [] as Array<A>]))
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < keys.length; index++) {
      const key = keys[(index + round) % keys.length]!
      results.get(key)!.push(await run(key))
    }
  }
  return results
}
