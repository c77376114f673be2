/**
 * How things look on stderr, where that is a terminal: colours unless `NO_COLOR` is set or the terminal has none.
 */

/** Node lets `FORCE_COLOR` win over `NO_COLOR`, and warns of it. On a pipe, `isTTY` is not `false`, but undefined. */
export const isColored = (stream: NodeJS.WriteStream): boolean =>
  Boolean(stream.isTTY && !process.env["NO_COLOR"] && stream.hasColors())

export const hasColors = isColored(process.stderr)

const color = (code: number) => (text: string): string => hasColors ? `\x1b[${code}m${text}\x1b[0m` : text

export const dim = color(2)
export const accent = color(36)

const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g

/** Text from outside, without what would command the terminal instead of being shown. */
export const printable = (text: string): string => text.replace(controls, "")

/** One line, whatever the message holds. */
export const error = (message: string): string => color(31)(printable(message.replace(/(?<!\s)\s*[\r\n]\s*/g, " ")))
