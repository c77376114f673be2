/**
 * The deltas of a reply into the bytes of an event stream. Every frame repeats the whole text, so the text is kept as
 * it stands on the wire: what was escaped and encoded once is only copied from then on.
 */
import * as Protocol from "../Protocol.js"

const utf8 = new TextEncoder()
const head = utf8.encode("data: {\"content\":\"")
const tail = utf8.encode("\"}\n\n")

/** @internal */
export class FrameEncoder {
  private buffer = new Uint8Array(1024)
  private length = head.length

  constructor() {
    this.buffer.set(head)
  }

  /** The frame of the text so far, this delta included. */
  frame(delta: string): Uint8Array {
    const escaped = JSON.stringify(delta).slice(1, -1)
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.reserve(escaped.length * 3 + tail.length)
    const { written } = utf8.encodeInto(escaped, this.buffer.subarray(this.length))
    this.length += written
    this.buffer.set(tail, this.length)
    return this.buffer.slice(0, this.length + tail.length)
  }

  private reserve(size: number): void {
    if (this.length + size <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + size))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
  }
}

/** @internal */
export const doneFrame: Uint8Array = utf8.encode(`data: ${Protocol.done}\n\n`)

/** @internal */
export const errorFrame = (error: typeof Protocol.ErrorBody.Type): Uint8Array =>
  utf8.encode(`data: ${JSON.stringify(error)}\n\n`)
