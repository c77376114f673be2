/**
 * Makes foreign text (the error text of a service, the error message of a socket) safe to show: short, on one line, and
 * without any piece of a secret that was sent with the request.
 */
import { WellFormed } from "./wellFormed.js"

const maxLength = 200
const mark = "[redacted]"

/**
 * A piece of a secret counts as the secret from this length on; shorter ones occur by chance.
 */
const shortestPiece = 8

/** A secret shorter than this is redacted only as a whole word, since its letters occur everywhere. */
const shortestPart = 4

const isLetter = (text: string): boolean => /[\p{L}\p{N}]/u.test(text)

/** The escapes of JSON, URLs, HTML, and of bytes in Python, in which a service may quote a request. */
const escapes =
  /\\(?:u[\dA-Fa-f]{4}|["\\/bfnrt])|(?:%[\dA-Fa-f]{2})+|(?:\\x[\dA-Fa-f]{2})+|&#(\d{1,6});|&#[xX]([\dA-Fa-f]{1,5});|&(amp|lt|gt|quot|apos);/g
const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }
const utf8 = new TextDecoder()

/**
 * The text with its escapes decoded, and then those that this reveals, up to `depth` times. A secret and a quotation of
 * its quotation become the same.
 */
const decodeEscapes = (text: string, depth = 4): string => {
  if (depth === 0 || !/[\\%&]/.test(text)) return text
  const next = text.replace(escapes, (all: string, decimal?: string, hex?: string, entity = "") => {
    const [sign = ""] = /^(?:%|\\x)/.exec(all) ?? []
    if (sign !== "") return utf8.decode(Uint8Array.from(all.split(sign).slice(1), (byte) => parseInt(byte, 16)))
    if (all.startsWith("\\")) return JSON.parse(`"${all}"`) as string
    return entities[entity] ?? String.fromCodePoint(decimal === undefined ? parseInt(hex!, 16) : Number(decimal))
  })
  return next === text ? text : decodeEscapes(next, depth - 1)
}

/** The text with one space for each run of spaces and control characters. A single space needs no replacing. */
const onOneLine = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f][\u0000-\u0020\u007f-\u009f]*| [\u0000-\u0020\u007f-\u009f]+/g, " ")

/** Equal for equal pieces, and seldom for others. */
const hash = (text: string, at: number): number =>
  ((text.charCodeAt(at) << 10) ^ (text.charCodeAt(at + 3) << 5) ^ text.charCodeAt(at + 7)) & 0xffff

/**
 * What must not be shown: secrets that are shorter than a piece, and those pieces of longer ones that may be in the
 * text. A prompt may be thousands of times as long as the text, so it is scanned once, not searched for each piece of
 * the text.
 */
const secretParts = (text: string, secrets: Iterable<string>): ReadonlySet<string> => {
  const hashes = new Uint8Array(0x10000)
  for (let at = 0; at < text.length; at++) hashes[hash(text, at)] = 1
  const parts = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < shortestPiece) parts.add(secret)
    for (let at = 0; at + shortestPiece <= secret.length; at++) {
      if (hashes[hash(secret, at)] === 1) parts.add(secret.slice(at, at + shortestPiece))
    }
  }
  return parts
}

/** The text up to `length`, with the mark in place of each piece of a secret. */
const hide = (text: string, length: number, secrets: Iterable<string>): string => {
  const parts = secretParts(text, secrets)
  let clean = ""
  let secretUntil = 0
  for (let index = 0; index < length; index++) {
    const isInSecret = index < secretUntil
    for (let size = 1; size <= shortestPiece; size++) {
      const part = text.slice(index, index + size)
      if (!parts.has(part)) continue
      // A space after the last word is not secret.
      const end = index + part.trimEnd().length
      const isPart = isLetter(text.charAt(index - 1)) || isLetter(text.charAt(end))
      if (part.length >= shortestPart || !isPart) secretUntil = Math.max(secretUntil, end)
    }
    if (index >= secretUntil) clean += text.charAt(index)
    else if (!isInSecret) clean += mark
  }
  return clean
}

/**
 * Returns a function that tells whether a text holds a whole secret, with or without escapes. One that may occur by
 * chance does not count.
 *
 * @internal
 */
export const containsSecret = (secrets: ReadonlyArray<string>): (text: string) => boolean => {
  const known = secrets.filter((secret) => secret.length >= shortestPiece)
  const decoded = known.map((secret) => decodeEscapes(secret))
  return (text) => {
    const bare = decodeEscapes(text)
    return known.some((secret) => text.includes(secret)) || decoded.some((secret) => bare.includes(secret))
  }
}

/**
 * Returns a function that makes a text safe.
 *
 * @internal
 */
export const redactor = (known: ReadonlyArray<string>): (text: string) => string => {
  const forms = new Set([...known.map((secret) => onOneLine(decodeEscapes(secret))), ...known])
  return (text) => {
    // Far more than is shown, but little enough to search fast.
    const start = text.slice(0, 3 * maxLength)
    // A secret that is cut off here may be too short to be recognized.
    const unreliable = start === text ? 0 : shortestPiece
    const bare = onOneLine(decodeEscapes(start))
    // In a URL, a space may be a plus.
    const inUrls = bare.includes("+")
      ? known.map((secret) => onOneLine(decodeEscapes(secret).replaceAll(" ", "+")))
      : []
    const cleaner = hide(bare, bare.length - unreliable, [...forms, ...inUrls])
    // If the decoded text has no secret, the text keeps its escapes. But the text is searched too: what looks like an
    // escape may begin a secret.
    const isEscaped = bare !== start && bare.startsWith(cleaner)
    const clean = isEscaped ? hide(start, start.length - unreliable, known) : cleaner
    const line = onOneLine(clean).trim()
    return line.length > maxLength
      ? `${new WellFormed().push(line.slice(0, maxLength - 1))}…`
      : line.toWellFormed()
  }
}
