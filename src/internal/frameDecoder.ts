/**
 * The bytes of an event stream into the deltas of a reply. A plain, synchronous thing: no effects, no `node:` import.
 *
 * Every frame repeats the whole reply, so parsing each one is work with the square of the reply's length. A frame that
 * only adds text need not be parsed: `FrameShape` knows what the last one began and ended with, and what stands
 * between is the delta.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.js"
import * as Fault from "./fault.js"
import { FrameShape } from "./frameShape.js"
import { describe } from "./issue.js"

/**
 * How a reply ended.
 *
 * @internal
 */
export type Outcome =
  | { readonly _tag: "Done" }
  | { readonly _tag: "ServiceFault"; readonly fault: Fault.ServiceFault }
  | { readonly _tag: "Malformed"; readonly issue: string }

const LF = 0x0a
const CR = 0x0d
const byteOrderMark = Uint8Array.of(0xef, 0xbb, 0xbf)
const dataField = new TextEncoder().encode("data:")
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const decodeFrame = Schema.decodeUnknownEither(Protocol.Frame)

const startsWith = (bytes: Uint8Array, prefix: Uint8Array, from: number): boolean =>
  prefix.every((byte, index) => bytes[from + index] === byte)

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

const nothing: Uint8Array = new Uint8Array(0)

/** How far a line end is looked for byte by byte: in a short line a native search costs more than it saves. */
const near = 64

/** Where the lines of a chunk end. */
class LineEnds {
  // Found once each and kept, or a chunk of many lines would be searched from each of them to its end.
  private nextLF = -1
  private nextCR = -1
  private bytes = nothing

  begin(bytes: Uint8Array): void {
    this.bytes = bytes
    this.nextLF = this.nextCR = -1
  }

  /** The first line end from here on, or the end of the chunk. */
  next(from: number): number {
    const { bytes } = this
    const limit = Math.min(from + near, bytes.length)
    for (let index = from; index < limit; index++) {
      const byte = bytes[index]
      if (byte === LF || byte === CR) return index
    }
    if (limit === bytes.length) return limit
    if (this.nextLF < limit) this.nextLF = this.indexOf(LF, limit)
    if (this.nextCR < limit) this.nextCR = this.indexOf(CR, limit)
    return Math.min(this.nextLF, this.nextCR)
  }

  private indexOf(byte: number, from: number): number {
    const index = this.bytes.indexOf(byte, from)
    return index === -1 ? this.bytes.length : index
  }
}

/** @internal */
export class FrameDecoder {
  /** Set once the reply has ended, for whatever reason; what comes after that is ignored. */
  outcome: Outcome | undefined
  /** The longest `content` so far. */
  text = ""
  /** How many frames could be read, repeats included. */
  goodFrames = 0
  /** Why frames were passed over, for whoever empties it. */
  readonly passedOver: Array<string> = []

  /** Why the last frame could not be read, when no good one has come since. */
  private unreadable: string | undefined
  /** The first half of a surrogate pair, at the end of `text`, that was not handed on yet. */
  private half = ""
  private readonly shape = new FrameShape()
  private readonly lineEnds = new LineEnds()
  /** What has arrived of the current line beyond what repeats the shape. */
  private readonly parts: Array<Uint8Array> = []
  private partsSize = 0
  private isAfterCR = false
  private isFirstLine = true

  constructor(private readonly maxFrameSize: number) {}

  /** The deltas that become known with the next bytes, behind those that are there already. */
  push(bytes: Uint8Array, deltas: Array<string> = []): Array<string> {
    if (bytes.length === 0) return deltas
    let index = this.isAfterCR && bytes[0] === LF ? 1 : 0
    this.isAfterCR = false
    this.lineEnds.begin(bytes)
    while (index < bytes.length && this.outcome === undefined) {
      index += this.shape.match(bytes, index)
      const end = this.lineEnds.next(index)
      if (end === bytes.length) {
        this.hold(bytes, index, end)
        break
      }
      this.endLine(bytes, index, end, deltas)
      index = end + 1
      if (bytes[end] === CR) {
        if (index === bytes.length) this.isAfterCR = true
        else if (bytes[index] === LF) index++
      }
    }
    // What a chunk is cut from may be far larger than it, and a reply can be open for long.
    this.lineEnds.begin(nothing)
    this.shape.letGo()
    return deltas
  }

  /** The connection has ended: a last line without a line end counts only when it is `[DONE]`. */
  end(): Array<string> {
    const deltas: Array<string> = []
    if (this.outcome === undefined && this.payload(this.line())?.startsWith(Protocol.done) === true) {
      this.endReply(deltas)
    }
    return deltas
  }

  private hold(bytes: Uint8Array, start: number, end: number): void {
    if (end > start) this.parts.push(bytes.subarray(start, end))
    this.partsSize += end - start
    if (this.shape.matched + this.partsSize > this.maxFrameSize) {
      this.outcome = {
        _tag: "Malformed",
        issue: `expected a frame of at most ${this.maxFrameSize} bytes, found a larger one`
      }
    }
  }

  /** The line ends with what stands between `start` and `end`. */
  private endLine(bytes: Uint8Array, start: number, end: number, deltas: Array<string>): void {
    const isWhole = this.partsSize === 0 && this.shape.matched + end - start <= this.maxFrameSize
    const tail = isWhole ? this.shape.continuation(bytes, start, end) : undefined
    if (tail !== undefined) {
      this.addText(tail, deltas)
      this.isGood()
    } else {
      this.hold(bytes, start, end)
      if (this.outcome === undefined && this.shape.matched + this.partsSize > 0) this.readLine(this.line(), deltas)
      this.parts.length = 0
      this.partsSize = 0
    }
    this.shape.restart()
    this.isFirstLine = false
  }

  private line(): Uint8Array {
    const { repeated } = this.shape
    return concat([repeated, ...this.parts], repeated.length + this.partsSize)
  }

  private readLine(line: Uint8Array, deltas: Array<string>): void {
    const payload = this.payload(line)
    if (payload === undefined) return
    if (payload.startsWith(Protocol.done)) return this.endReply(deltas)
    Either.match(Fault.parseJson(payload), {
      onLeft: (issue) => this.passOver(issue),
      onRight: (json) => {
        const text = this.readFrame(json, deltas)
        // A byte order mark is nothing but the first line's, so it must not be taken for a part of the shape.
        if (text === this.text && line[0] === dataField[0]) this.shape.learn(line, payload)
      }
    })
  }

  /** What follows `data:` on the line, if it is such a line and means something. */
  private payload(line: Uint8Array): string | undefined {
    const start = this.isFirstLine && startsWith(line, byteOrderMark, 0) ? byteOrderMark.length : 0
    if (!startsWith(line, dataField, start)) return undefined
    const payload = Either.try(() => utf8.decode(line.subarray(start + dataField.length)).trim())
    if (Either.isLeft(payload)) {
      this.passOver("expected UTF-8, found other bytes")
      return undefined
    }
    return payload.right === "" || payload.right.startsWith(":") ? undefined : payload.right
  }

  private passOver(issue: string): void {
    this.unreadable = issue
    this.passedOver.push(issue)
  }

  private isGood(): void {
    this.goodFrames++
    this.unreadable = undefined
  }

  private endReply(deltas: Array<string>): void {
    if (this.unreadable !== undefined) {
      this.outcome = { _tag: "Malformed", issue: `the last frame: ${this.unreadable}` }
      return
    }
    if (this.half !== "") deltas.push("\ufffd")
    this.outcome = { _tag: "Done" }
  }

  /** The frame's `content`, where it is a good one. */
  private readFrame(json: unknown, deltas: Array<string>): string | undefined {
    const hasContent = Predicate.hasProperty(json, "content") && json.content !== null
    // An empty content is as good as none beside what can only be an error.
    const fault = !hasContent ||
        (json.content === "" && (Predicate.hasProperty(json, "error") || Predicate.hasProperty(json, "code")))
      ? Fault.serviceFault(json)
      : undefined
    if (!hasContent || fault !== undefined) {
      if (fault !== undefined) this.outcome = { _tag: "ServiceFault", fault }
      return undefined
    }
    const frame = decodeFrame(json)
    if (Either.isLeft(frame)) {
      this.passOver(describe(frame.left))
      return undefined
    }
    const { content } = frame.right
    if (content.startsWith(this.text)) {
      this.addText(content.slice(this.text.length), deltas)
    } else if (!this.text.startsWith(content)) {
      this.outcome = { _tag: "Malformed", issue: "expected text that continues what came before, found other text" }
      return undefined
    }
    this.isGood()
    return content
  }

  private addText(tail: string, deltas: Array<string>): void {
    if (tail === "") return
    this.text += tail
    const text = this.half + tail
    const isHalf = isHighSurrogate(text.charCodeAt(text.length - 1))
    this.half = isHalf ? text.slice(-1) : ""
    const delta = isHalf ? text.slice(0, -1) : text
    if (delta !== "") deltas.push(hasSurrogate.test(delta) ? delta.replace(/\p{Surrogate}/gu, "\ufffd") : delta)
  }
}

const hasSurrogate = /[\ud800-\udfff]/

const concat = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
