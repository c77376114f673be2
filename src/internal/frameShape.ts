/**
 * The shape of the last good frame, so that the next one need not be parsed when it only adds text.
 *
 * A line is split into H (through the quote that opens the value of `content`), C (the value) and T (from its
 * closing quote). A later line H·C·D·T is a continuation: its text is the old one plus that of D. The result is
 * the same as that of parsing the whole line, because
 *
 * - H and T are plain ASCII without a backslash and `"content"` stands in them once, as a key with a string; the
 *   top-level key `content` was found by parsing, so this is it, and there is no other;
 * - C ended at an unescaped quote, so no escape and no character in it is incomplete; D is complete in itself: between
 *   quotes, it is valid UTF-8 and one JSON string. So C·D is one JSON string, and T follows it as it followed C;
 * - the rest of the line is the same, byte for byte, so the rest of the object is the same.
 *
 * Anything else is for the caller to parse.
 */
import { Bytes, short } from "./bytes.js"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20

const key = "\"content\""
const opening = /[\t ]*:[\t ]*"/y
const plain = /^[\t\x20-\x5b\x5d-\x7e]*$/
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Decodes each byte as one character.
 *
 * @internal
 */
export const latin1 = new TextDecoder("latin1")

const word = 8
/** How many bytes are compared at a time: eight words of 64 bits. */
const stride = 8 * word

/** @internal */
export class FrameShape {
  /** How many bytes of the current line repeat H·C. */
  matched = 0

  /** H·C; empty while there is no shape. */
  #prefix = new Bytes()
  #tail = new Uint8Array(0)

  /** The part of the current line that repeats H·C, which the caller does not keep. */
  get repeated(): Uint8Array {
    return this.#prefix.bytes.subarray(0, this.matched)
  }

  /**
   * Returns how many bytes at `from` continue the repetition of H·C. `view` is a view of the same bytes: comparing
   * floats is several times as fast as comparing bytes. Floats are equal exactly when their bytes are, with two
   * exceptions. Zero has two signs, but seven of its eight bytes are NUL, which JSON does not have. NaN does not equal
   * itself, and is left to the byte comparison.
   */
  match(bytes: Uint8Array, view: DataView, from: number): number {
    const { matched } = this
    const { bytes: known, length, view: words } = this.#prefix
    const count = Math.min(length - matched, bytes.length - from)
    let same = 0
    while (
      same + stride <= count &&
      words.getFloat64(matched + same, true) === view.getFloat64(from + same, true) &&
      words.getFloat64(matched + same + 8, true) === view.getFloat64(from + same + 8, true) &&
      words.getFloat64(matched + same + 16, true) === view.getFloat64(from + same + 16, true) &&
      words.getFloat64(matched + same + 24, true) === view.getFloat64(from + same + 24, true) &&
      words.getFloat64(matched + same + 32, true) === view.getFloat64(from + same + 32, true) &&
      words.getFloat64(matched + same + 40, true) === view.getFloat64(from + same + 40, true) &&
      words.getFloat64(matched + same + 48, true) === view.getFloat64(from + same + 48, true) &&
      words.getFloat64(matched + same + 56, true) === view.getFloat64(from + same + 56, true)
    ) same += stride
    while (
      same + word <= count &&
      words.getFloat64(matched + same, true) === view.getFloat64(from + same, true)
    ) same += word
    while (same < count && known[matched + same] === bytes[from + same]) same++
    this.matched += same
    return same
  }

  /** The text that the current line adds, if it is a continuation. The bytes are the part that does not repeat H·C. */
  continuation(bytes: Uint8Array, start: number, end: number): string | undefined {
    const tail = this.#tail
    const tailStart = end - tail.length
    if (this.matched === 0 || this.matched < this.#prefix.length || tailStart < start) return undefined
    for (let index = 0; index < tail.length; index++) {
      if (bytes[tailStart + index] !== tail[index]) return undefined
    }
    const text = decode(bytes, start, tailStart)
    if (text !== undefined) this.#prefix.append(bytes, start, tailStart)
    return text
  }

  /** Learns the shape of a line that was parsed whole and whose `content` is the whole text so far. */
  learn(line: Uint8Array): void {
    this.#prefix.length = 0
    const text = latin1.decode(line)
    const at = text.indexOf(key)
    opening.lastIndex = at + key.length
    if (at === -1 || !opening.test(text)) return
    const start = opening.lastIndex
    let end = start
    while (end < line.length && line[end] !== QUOTE) end += line[end] === BACKSLASH ? 2 : 1
    const tail = text.slice(end)
    if (!plain.test(text.slice(0, start)) || !plain.test(tail) || tail.includes(key)) return
    this.#tail = line.slice(end)
    this.#prefix.append(line, 0, end)
  }
}

const escapes: { readonly [byte: number]: string } = { [QUOTE]: "\"", [BACKSLASH]: "\\", 0x6e: "\n" }

/** The text of D, if it is complete in itself. */
const decode = (bytes: Uint8Array, start: number, end: number): string | undefined =>
  (end - start <= short ? decodePlain(bytes, start, end) : undefined) ?? decodeAny(bytes.subarray(start, end))

/** Decodes common text: characters of one or two bytes, and the escapes of prose. `decodeAny` does the rest. */
const decodePlain = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  let text = ""
  let index = start
  while (index < end) {
    const byte = bytes[index++]!
    if (byte === BACKSLASH) {
      const escaped = escapes[bytes[index++]!]
      if (escaped === undefined) return undefined
      text += escaped
    } else if (byte < 0x80) {
      if (byte < SPACE || byte === QUOTE) return undefined
      text += String.fromCharCode(byte)
    } else {
      const next = bytes[index++]!
      if (byte < 0xc2 || byte > 0xdf || next >> 6 !== 2) return undefined
      text += String.fromCharCode((byte & 0x1f) << 6 | next & 0x3f)
    }
  }
  // An escape or a character that is cut short was read on into T.
  return index === end ? text : undefined
}

const decodeAny = (bytes: Uint8Array): string | undefined => {
  try {
    return JSON.parse(`"${utf8.decode(bytes)}"`) as string
  } catch {
    return undefined
  }
}
