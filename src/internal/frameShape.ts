/**
 * What the last good frame looked like, so that the next one need not be parsed when it only adds text.
 *
 * A line is split into H (up to and with the quote that opens the value of `content`), C (the value) and T (from its
 * closing quote). A later line H·C·D·T is a continuation: its text is the old one and what D says. That is the same as
 * to parse it whole, because
 *
 * - H and T are plain ASCII without a backslash and `"content"` stands in them once, as a key with a string; the
 *   top-level key `content` was found by parsing, so this is it, and there is no other;
 * - C ended at a bare quote, so no escape and no character is left open in it; D is complete in itself: it has no
 *   control byte, no bare quote, is UTF-8, and where it has a backslash `JSON.parse` accepts it as a string. So C·D is
 *   one JSON string, and T follows it as it followed C;
 * - all the rest of the line is the same to the byte, so all the rest of the object is the same.
 *
 * Anything else is for the caller to parse.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20

const key = "\"content\""
const opening = /[\t ]*:[\t ]*"/y
const plain = /^[\t\x20-\x5b\x5d-\x7e]*$/
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const empty = new Uint8Array(0)

/** How many bytes are compared at a time: four words of 64 bits. */
const stride = 32

/** Up to this many bytes are handled one by one, which costs less than a native call. */
const short = 32

/** @internal */
export class FrameShape {
  /** How much of the current line repeats H·C. */
  matched = 0

  /** H·C, in a buffer that grows; 0 bytes of it while there is no shape. */
  private prefix = new Uint8Array(256)
  private words = new DataView(this.prefix.buffer)
  private others: DataView = this.words
  private length = 0
  private tail = empty
  /** Whether the current line has repeated H·C so far. */
  private isRepeating = false

  /** The part of the current line that is not given to the caller again. */
  get repeated(): Uint8Array {
    return this.prefix.subarray(0, this.matched)
  }

  /** Holds on to no chunk. */
  letGo(): void {
    this.others = this.words
  }

  /** A new line begins. */
  restart(): void {
    this.matched = 0
    this.isRepeating = this.length > 0
  }

  /** How many of the bytes from here on repeat the shape further. */
  match(bytes: Uint8Array, from: number): number {
    if (!this.isRepeating) return 0
    const count = Math.min(this.length - this.matched, bytes.length - from)
    const same = this.countSame(bytes, from, count)
    this.matched += same
    if (same < count) this.isRepeating = false
    return same
  }

  /**
   * Floats compare at several times the speed of bytes. They are equal exactly when their bytes are: the one
   * exception, zero with its two signs, would be eight bytes of which seven are NUL, which JSON has none of; and a NaN,
   * which is not equal to itself, is left to the bytes.
   */
  private countSame(bytes: Uint8Array, from: number, count: number): number {
    const { matched, prefix, words } = this
    let index = 0
    if (count >= stride) {
      // Chunks of one read share a buffer, and a view costs as much as to compare a short frame.
      if (bytes.buffer !== this.others.buffer) this.others = new DataView(bytes.buffer)
      const { others } = this
      const offset = bytes.byteOffset + from
      const last = count - stride
      while (
        index <= last &&
        words.getFloat64(matched + index, true) === others.getFloat64(offset + index, true) &&
        words.getFloat64(matched + index + 8, true) === others.getFloat64(offset + index + 8, true) &&
        words.getFloat64(matched + index + 16, true) === others.getFloat64(offset + index + 16, true) &&
        words.getFloat64(matched + index + 24, true) === others.getFloat64(offset + index + 24, true)
      ) index += stride
    }
    while (index < count && prefix[matched + index] === bytes[from + index]) index++
    return index
  }

  /** What the current line, of which these bytes do not repeat H·C, adds to the text, if it is a continuation. */
  continuation(bytes: Uint8Array, start: number, end: number): string | undefined {
    const { tail } = this
    const tailStart = end - tail.length
    // A line that ends within H·C does not repeat it: its end differs.
    if (!this.isRepeating || tailStart < start) return undefined
    for (let index = 0; index < tail.length; index++) {
      if (bytes[tailStart + index] !== tail[index]) return undefined
    }
    if (tailStart === start) return ""
    const text = decode(bytes, start, tailStart)
    if (text !== undefined) this.append(bytes, start, tailStart)
    return text
  }

  /**
   * Learns the shape of a line that was parsed whole and whose `content` is all that is known. `payload` is what
   * follows `data:`, as text.
   */
  learn(line: Uint8Array, payload: string): void {
    this.length = 0
    const at = payload.indexOf(key)
    opening.lastIndex = at + key.length
    if (at === -1 || !opening.test(payload)) return
    const start = opening.lastIndex
    const end = closingQuote(payload, start)
    const head = payload.slice(0, start)
    const tail = payload.slice(end)
    if (!plain.test(head) || !plain.test(tail) || tail.includes(key)) return
    // The payload was trimmed: only when nothing but plain white space was cut off are bytes and text in step.
    const tailStart = line.lastIndexOf(tail.charCodeAt(tail.length - 1)) + 1 - tail.length
    this.tail = line.slice(tailStart)
    this.append(line, 0, tailStart)
  }

  private append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start
    if (length > this.prefix.length) {
      const grown = new Uint8Array(Math.max(this.prefix.length * 2, length))
      grown.set(this.prefix.subarray(0, this.length))
      this.prefix = grown
      this.words = new DataView(grown.buffer)
    }
    if (end - start <= short) {
      for (let index = start; index < end; index++) {
        this.prefix[this.length++] = bytes[index]!
      }
    } else this.prefix.set(bytes.subarray(start, end), this.length)
    this.length = length
  }
}

const closingQuote = (text: string, from: number): number => {
  let index = from
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) return index
    index += code === BACKSLASH ? 2 : 1
  }
  return index
}

/** The text of D, when it is complete in itself. */
const decode = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  let hasEscape = false
  let isAscii = end - start <= short
  let text = ""
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!
    if (byte < SPACE || byte === QUOTE) return undefined
    if (byte > 0x7f) isAscii = false
    if (isAscii) text += String.fromCharCode(byte)
    if (byte === BACKSLASH) {
      hasEscape = true
      // Whatever is escaped, a quote too, is for `JSON.parse` to judge.
      if (++index < end && isAscii) text += String.fromCharCode(bytes[index]!)
    }
  }
  try {
    if (!isAscii) text = utf8.decode(bytes.subarray(start, end))
    return hasEscape ? JSON.parse(`"${text}"`) as string : text
  } catch {
    return undefined
  }
}
