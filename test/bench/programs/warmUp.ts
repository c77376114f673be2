/**
 * A program loses compiled code while others have their turn, the more the more it has, and one that is used in earnest
 * does not wait for turns. So each turn begins with work that does not count.
 */
export interface WarmUp {
  readonly warmUpMillis: number
}

/** Of a turn; the short form has none. */
export const ofTurn = (isShort: boolean): WarmUp => ({ warmUpMillis: isShort ? 0 : 1000 })

export const warmUp = async (millis: number, work: () => Promise<unknown>): Promise<void> => {
  const end = performance.now() + millis
  while (performance.now() < end) await work()
}
