/**
 * Foreign words (a service's error text, a socket's error message) made safe to show: short, on one line, and
 * without any piece of a secret that went out with the request.
 */

const maxLength = 200
const mark = "[redacted]"

/**
 * From this length on, a piece of a secret is taken for the secret; shorter ones occur by chance.
 */
const shortestPiece = 8

/** The length of the longest piece of the secret that stands in the text at this place; 0 where it is by chance. */
const matchLength = (text: string, from: number, secret: string): number => {
  const piece = text.slice(from, from + Math.min(shortestPiece, secret.length))
  let longest = 0
  for (let at = secret.indexOf(piece); at !== -1; at = secret.indexOf(piece, at + 1)) {
    let length = piece.length
    while (from + length < text.length && at + length < secret.length && secret[at + length] === text[from + length]) {
      length++
    }
    longest = Math.max(longest, length)
  }
  return longest >= Math.min(shortestPiece, secret.length) ? longest : 0
}

/** @internal */
export const redact = (text: string, secrets: ReadonlyArray<string>): string => {
  // Far more than is shown, far less than would make the search for pieces slow.
  const source = text.slice(0, 5 * maxLength)
  const known = secrets.filter((secret) => secret !== "")
  let clean = ""
  for (let index = 0; index < source.length && clean.length <= maxLength;) {
    const length = Math.max(0, ...known.map((secret) => matchLength(source, index, secret)))
    clean += length === 0 ? source.charAt(index) : mark
    index += Math.max(length, 1)
  }

  const line = clean.replace(/[\u0000-\u0020\u007f-\u009f]+/g, " ").trim()
  return (line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line).replace(/\p{Surrogate}/gu, "\ufffd")
}
