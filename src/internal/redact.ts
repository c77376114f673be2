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

/** A secret shorter than this is only found as a word of its own: its letters occur everywhere. */
const shortestPart = 4

const isLetter = (text: string): boolean => /[\p{L}\p{N}]/u.test(text)

/** Of JSON, URLs and HTML, in which a service may quote a request. */
const escapes =
  /\\(?:u[\dA-Fa-f]{4}|["\\/bfnrt])|(?:%[\dA-Fa-f]{2})+|&#([xX]?)([\dA-Fa-f]{1,5});|&(amp|lt|gt|quot|apos);/g
const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }
const utf8 = new TextDecoder()

/** Without escapes, nor those that show up then: the same for a secret and for a quotation of a quotation of it. */
const plain = (text: string, depth = 4): string => {
  const next = text.replace(escapes, (all: string, x: string, digits: string, entity: string) => {
    if (all.startsWith("\\")) return JSON.parse(`"${all}"`) as string
    if (all.startsWith("%")) return utf8.decode(Uint8Array.from(all.slice(1).split("%"), (byte) => parseInt(byte, 16)))
    return entities[entity] ?? String.fromCodePoint(parseInt(digits, x === "" ? 10 : 16))
  })
  return next === text || depth === 0 ? next : plain(next, depth - 1)
}

/** @internal */
export const redact = (text: string, secrets: ReadonlyArray<string>): string => {
  // Far more than is shown, far less than would make the search for pieces slow.
  const start = text.slice(0, 3 * maxLength)
  const source = plain(start)
  // What a secret begins with before the cut might not be known for it.
  const length = start === text ? source.length : source.length - shortestPiece
  const forms = new Set(
    secrets.map((secret) => plain(secret)).flatMap((secret) => [secret, secret.replaceAll(" ", "+")])
  )
  forms.delete("")
  let clean = ""
  let secretUntil = 0
  for (let index = 0; index < length && clean.length <= maxLength; index++) {
    const isInSecret = index < secretUntil
    for (const form of forms) {
      const end = index + Math.min(shortestPiece, form.length)
      if (end <= secretUntil || end > source.length || !form.includes(source.slice(index, end))) continue
      const isPart = isLetter(source.charAt(index - 1)) || isLetter(source.charAt(end))
      if (form.length >= shortestPart || !isPart) secretUntil = end
    }
    if (index >= secretUntil) clean += source.charAt(index)
    else if (!isInSecret) clean += mark
  }

  const line = (secretUntil === 0 && start === text ? text : clean).replace(/[\u0000-\u0020\u007f-\u009f]+/g, " ")
    .trim()
  return (line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line).replace(/\p{Surrogate}/gu, "\ufffd")
}
