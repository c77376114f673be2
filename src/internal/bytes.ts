/**
 * Bytes that grow at their end, in a buffer that doubles; and the bytes of a chunk.
 */

/**
 * Up to this many bytes are handled one by one, which costs less than a native call.
 *
 * @internal
 */
export const short = 32

const utf8 = new TextEncoder()

/**
 * A chunk of a Node stream as bytes: it is text if other code that reads the stream has set an encoding.
 *
 * @internal
 */
export const ofChunk = <A>(chunk: A | string): A | Uint8Array => typeof chunk === "string" ? utf8.encode(chunk) : chunk

/** @internal */
export class Bytes {
  length = 0
  bytes = new Uint8Array(256)
  /** A view of the same buffer. */
  view = new DataView(this.bytes.buffer)

  append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start
    if (length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, length))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    if (end - start > short) this.bytes.set(bytes.subarray(start, end), this.length)
    else for (let index = start; index < end; index++) this.bytes[this.length + index - start] = bytes[index]!
    this.length = length
  }
}
