/**
 * Makes text that comes in pieces well-formed Unicode, piece by piece: a cut between two pieces may part a surrogate
 * pair.
 */

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

/** @internal */
export class WellFormed {
  /** The first half of a surrogate pair at the end of the text so far, which waits for the second. */
  #highSurrogate = ""

  /** The next piece: without a half at its end, which must wait, and with U+FFFD for a half that is alone. */
  push(piece: string): string {
    const text = this.#highSurrogate + piece
    this.#highSurrogate = isHighSurrogate(text.charCodeAt(text.length - 1)) ? text.slice(-1) : ""
    return (this.#highSurrogate === "" ? text : text.slice(0, -1)).toWellFormed()
  }

  /** The last piece: U+FFFD if a half still waits. */
  end(): string {
    return this.#highSurrogate.toWellFormed()
  }
}
