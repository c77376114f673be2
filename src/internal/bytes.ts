/**
 * Bytes that grow at their end, in a buffer that doubles.
 */

/**
 * Up to this many bytes are handled one by one, which costs less than a native call.
 *
 * @internal
 */
export const short = 32

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
