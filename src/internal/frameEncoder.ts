/**
 * Encodes the deltas of a reply as the bytes of an event stream. Every frame repeats the whole text, so the text is
 * kept in its encoded form: each delta is escaped and encoded once, and only copied from then on.
 *
 * No frame ends within a character. Many clients cannot read a half of a surrogate pair, or lose it.
 */
import * as Protocol from "../Protocol.js"
import { WellFormed } from "./wellFormed.js"

const utf8 = new TextEncoder()
const head = utf8.encode("data: {\"content\":\"")
const tail = utf8.encode("\"}\n\n")

/** @internal */
export class FrameEncoder {
  /** The last frame without its tail. Every earlier frame, without its tail, is a prefix of it. */
  #buffer = new Uint8Array(1024)
  #length = head.length
  /** The offsets in the buffer at which the waiting frames end. */
  #ends: Array<number> = []
  #waiting = 0
  readonly #wellFormed = new WellFormed()

  constructor() {
    this.#buffer.set(head)
  }

  /** How many bytes `take` would return. */
  get size(): number {
    return this.#waiting
  }

  /** Adds the frame of the text so far, this delta included; none if the delta adds no whole character. */
  add(delta: string): void {
    this.#add(this.#wellFormed.push(delta))
  }

  /** Adds the frame of a half of a surrogate pair that is alone at the end of the text, if there is one. */
  end(): void {
    this.#add(this.#wellFormed.end())
  }

  #add(text: string): void {
    if (text === "") return
    const escaped = JSON.stringify(text).slice(1, -1)
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#reserve(escaped.length * 3)
    this.#length += utf8.encodeInto(escaped, this.#buffer.subarray(this.#length)).written
    this.#ends.push(this.#length)
    this.#waiting += this.#length + tail.length
  }

  /**
   * The frames added since the last call, as one chunk: for a server, the number of writes costs far more than their
   * size.
   */
  take(): Uint8Array {
    const frames = new Uint8Array(this.#waiting)
    let offset = 0
    for (const end of this.#ends) {
      frames.set(this.#buffer.subarray(0, end), offset)
      frames.set(tail, offset + end)
      offset += end + tail.length
    }
    this.#ends = []
    this.#waiting = 0
    return frames
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + size))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

/** @internal */
export const doneFrame: Uint8Array = utf8.encode(`data: ${Protocol.done}\n\n`)

/** @internal */
export const errorFrame = (error: Protocol.ErrorBody): Uint8Array => utf8.encode(`data: ${JSON.stringify(error)}\n\n`)
