/**
 * What goes along with each question of what was said before.
 */
export interface Turn {
  readonly question: string
  readonly reply: string
}

/** In characters. */
const limit = 16_000
const limitOfTurn = limit / 2

const sizeOf = ({ question, reply }: Turn): number => question.length + reply.length

const gap = "\n…\n"

/** Its beginning says what it is about, and its end how far it came. */
const cut = (text: string, size: number): string => {
  if (text.length <= size) return text
  const half = (size - gap.length) / 2
  // A cut may leave half of a character on either side.
  return (text.slice(0, half) + gap + text.slice(-half)).replace(/\p{Surrogate}/gu, "")
}

const cutTurn = ({ question, reply }: Turn): Turn => {
  const asked = cut(question, Math.max(limitOfTurn / 2, limitOfTurn - reply.length))
  return { question: asked, reply: cut(reply, limitOfTurn - asked.length) }
}

/**
 * As much as the limit allows: all of it, or else the latest turns, of which no long one leaves the others no room.
 */
export const recent = (turns: ReadonlyArray<Turn>): ReadonlyArray<Turn> => {
  if (turns.reduce((size, turn) => size + sizeOf(turn), 0) <= limit) return turns
  const short = turns.map(cutTurn)
  let size = 0
  const forgotten = short.findLastIndex((turn) => (size += sizeOf(turn)) > limit)
  return short.slice(forgotten + 1)
}
