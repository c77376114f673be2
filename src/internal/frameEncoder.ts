/**
 * Encodes the deltas of a reply as the bytes of an event stream. Every frame repeats the whole text, so the text is
 * kept in its encoded form: each delta is escaped and encoded once, and only copied from then on.
 */
import * as Protocol from "../Protocol.js"
import { Bytes } from "./bytes.js"

const utf8 = new TextEncoder()
const head = utf8.encode("data: {\"content\":\"")
const tail = utf8.encode("\"}\n\n")

/** @internal */
export class FrameEncoder {
  /** The last frame without its tail. Every earlier frame, without its tail, is a prefix of it. */
  readonly #last = new Bytes()
  /** The offsets in the last frame at which the waiting frames end. */
  #ends: Array<number> = []
  #waiting = 0

  constructor() {
    this.#last.append(head)
  }

  /** How many bytes `take` would return. */
  get size(): number {
    return this.#waiting
  }

  /** Adds the frame of the text so far, this delta included. */
  add(delta: string): void {
    this.#last.append(utf8.encode(JSON.stringify(delta).slice(1, -1)))
    this.#ends.push(this.#last.length)
    this.#waiting += this.#last.length + tail.length
  }

  /**
   * The frames added since the last call, as one chunk: how often a server writes costs it far more than how much it
   * writes.
   */
  take(): Uint8Array {
    const frames = new Uint8Array(this.#waiting)
    let offset = 0
    for (const end of this.#ends) {
      frames.set(this.#last.bytes.subarray(0, end), offset)
      frames.set(tail, offset + end)
      offset += end + tail.length
    }
    this.#ends = []
    this.#waiting = 0
    return frames
  }
}

/** @internal */
export const doneFrame: Uint8Array = utf8.encode(`data: ${Protocol.done}\n\n`)

/** @internal */
export const errorFrame = (error: Protocol.ErrorBody): Uint8Array => utf8.encode(`data: ${JSON.stringify(error)}\n\n`)
