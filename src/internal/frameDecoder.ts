/**
 * Decodes the bytes of an event stream into the deltas of a reply. Synchronous: no effects, and no `node:` import. A
 * frame without a line end is ignored, unless it is `[DONE]`.
 *
 * Every frame repeats the whole reply, so the cost of parsing each one grows with the square of the reply's length. A
 * frame that only adds text need not be parsed: `FrameShape` knows how the last one began and ended, and what is added
 * between is the delta.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.js"
import { Bytes } from "./bytes.js"
import * as Fault from "./fault.js"
import { FrameShape, latin1 } from "./frameShape.js"
import { describe } from "./issue.js"
import * as Json from "./json.js"
import { WellFormed } from "./wellFormed.js"

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
/**
 * The field of a frame, with `[DONE]` if that follows: it ends the reply, whatever comes after it. The first line may
 * begin with a byte order mark, here as its bytes.
 */
const firstField = /^(?:\xef\xbb\xbf)?data:([ \t]*\[DONE\])?/
const field = /^data:([ \t]*\[DONE\])?/
/** How many bytes of a line the two patterns are matched against. */
const fieldSize = 32
const utf8 = new TextDecoder("utf-8", { fatal: true })
const decodeFrame = Schema.decodeUnknownEither(Protocol.Frame)

const nothing = new Uint8Array(0)

const small = new DataView(new ArrayBuffer(1024))
const smallBytes = new Uint8Array(small.buffer)

/** Copying a small chunk costs less than creating a view of it. */
const viewOf = (bytes: Uint8Array): DataView => {
  if (bytes.length > smallBytes.length) return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  smallBytes.set(bytes)
  return small
}

/** @internal */
export class FrameDecoder {
  /** Set once the reply has ended, for whatever reason. Anything after that is ignored. */
  outcome: Outcome | undefined
  /** The longest `content` so far. */
  text = ""
  /** How many frames were readable, repeats included. */
  goodFrames = 0
  /** Why frames were skipped. The caller empties this list. */
  readonly passedOver: Array<string> = []

  /** Why the last frame is unreadable, if no good one has followed. */
  #unreadable: string | undefined
  readonly #wellFormed = new WellFormed()
  readonly #shape = new FrameShape()
  /** The current line so far, without the beginning that repeats the shape. */
  #rest = new Bytes()
  /** The last complete line, if it is not a frame; empty once there was a good frame. */
  #unframed: Uint8Array = nothing
  #isFirstLine = true
  readonly #maxFrameSize: number

  constructor(maxFrameSize: number) {
    this.#maxFrameSize = maxFrameSize
  }

  /** For a body that has ended: the JSON error that it holds instead of frames, despite its content type. */
  get unframedFault(): Fault.ServiceFault | undefined {
    if (this.goodFrames > 0) return undefined
    const line = this.#rest.length > 0 ? this.#rest.bytes.subarray(0, this.#rest.length) : this.#unframed
    return Fault.serviceFault(Either.getOrUndefined(Json.parse(new TextDecoder().decode(line))))
  }

  /** Reads the next bytes. Adds the deltas that they complete to `deltas`, and returns it. */
  push(bytes: Uint8Array, deltas: Array<string> = []): Array<string> {
    const view = viewOf(bytes)
    let start = 0
    while (start < bytes.length && this.outcome === undefined) {
      if (this.#rest.length === 0) start += this.#shape.match(bytes, view, start)
      // A CRLF is read as two line ends: the empty line between them means nothing.
      let end = start
      while (end < bytes.length && bytes[end] !== LF && bytes[end] !== CR) end++
      this.#read(bytes, start, end, deltas)
      start = end + 1
    }
    return deltas
  }

  /** Reads the next part of the current line. If `end` is not the end of the chunk, it is the end of the line. */
  #read(bytes: Uint8Array, start: number, end: number, deltas: Array<string>): void {
    const rest = this.#rest
    if (this.#shape.matched + rest.length + end - start > this.#maxFrameSize) {
      this.outcome = {
        _tag: "Malformed",
        issue: `expected a frame of at most ${this.#maxFrameSize} bytes, found a larger one`
      }
    } else if (end === bytes.length) {
      const wasShort = this.#shape.matched + rest.length < fieldSize
      rest.append(bytes, start, end)
      // `[DONE]` does not wait for its line end, which may never arrive.
      if (wasShort && this.#field(this.#line(rest.bytes, 0, Math.min(rest.length, fieldSize)))?.[1] !== undefined) {
        this.#endReply(deltas)
      }
    } else if (rest.length === 0) {
      this.#endLine(bytes, start, end, deltas)
    } else {
      rest.append(bytes, start, end)
      this.#endLine(rest.bytes, 0, rest.length, deltas)
      this.#rest = new Bytes()
    }
  }

  /** Ends the current line: the bytes from `start` to `end` are its last part. */
  #endLine(bytes: Uint8Array, start: number, end: number, deltas: Array<string>): void {
    const tail = this.#shape.continuation(bytes, start, end)
    if (tail !== undefined) {
      this.#addText(tail, deltas)
    } else if (this.#shape.matched + end - start > 0) {
      this.#readLine(this.#line(bytes, start, end), deltas)
    }
    this.#shape.matched = 0
    this.#isFirstLine = false
  }

  #line(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const { repeated } = this.#shape
    const line = new Uint8Array(repeated.length + end - start)
    line.set(repeated)
    line.set(bytes.subarray(start, end), repeated.length)
    return line
  }

  #readLine(line: Uint8Array, deltas: Array<string>): void {
    const payload = this.#payload(line)
    if (payload === undefined) return
    // Also behind more blanks than the patterns are matched against.
    if (payload.startsWith(Protocol.done)) return this.#endReply(deltas)
    const json = Json.parse(payload)
    if (Either.isLeft(json)) return this.#passOver(json.left)
    const { content } = Predicate.isRecord(json.right) ? json.right : {}
    const hasText = typeof content === "string"
    // An empty content is ignored beside what can only be an error.
    const fault = hasText && content !== "" ? undefined : Fault.serviceFault(json.right, hasText)
    if (fault !== undefined) {
      this.outcome = { _tag: "ServiceFault", fault }
    } else if (content !== undefined && content !== null) {
      const frame = decodeFrame(json.right)
      if (Either.isLeft(frame)) this.#passOver(describe(frame.left))
      else this.#readText(frame.right.content, line, deltas)
    }
  }

  #readText(content: string, line: Uint8Array, deltas: Array<string>): void {
    if (content.startsWith(this.text)) {
      this.#addText(content.slice(this.text.length), deltas)
      this.#shape.learn(line)
    } else if (this.text.startsWith(content)) {
      this.#addText("", deltas)
    } else {
      this.outcome = { _tag: "Malformed", issue: "expected text that continues what came before, found other text" }
    }
  }

  #field(line: Uint8Array): RegExpExecArray | null {
    return (this.#isFirstLine ? firstField : field).exec(latin1.decode(line.subarray(0, fieldSize)))
  }

  /** What follows `data:` on the line; `undefined` if the line has no `data:`, or nothing meaningful after it. */
  #payload(line: Uint8Array): string | undefined {
    const match = this.#field(line)
    this.#unframed = match === null && this.goodFrames === 0 ? line : nothing
    if (match === null) return undefined
    if (match[1] !== undefined) return Protocol.done
    try {
      const payload = utf8.decode(line.subarray(match[0].length)).trim()
      return payload === "" || payload.startsWith(":") ? undefined : payload
    } catch {
      this.#passOver("expected UTF-8, found other bytes")
      return undefined
    }
  }

  #passOver(issue: string): void {
    this.#unreadable = issue
    this.passedOver.push(issue)
  }

  #endReply(deltas: Array<string>): void {
    if (this.#unreadable !== undefined) {
      this.outcome = { _tag: "Malformed", issue: `the last frame: ${this.#unreadable}` }
      return
    }
    const delta = this.#wellFormed.end()
    if (delta !== "") deltas.push(delta)
    this.outcome = { _tag: "Done" }
  }

  /** Adds the new text of a good frame, and its delta. */
  #addText(tail: string, deltas: Array<string>): void {
    this.goodFrames++
    this.#unreadable = undefined
    this.text += tail
    const delta = this.#wellFormed.push(tail)
    if (delta !== "") deltas.push(delta)
  }
}
