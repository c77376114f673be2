/**
 * The bytes of an event stream into the deltas of a reply. A plain, synchronous thing: no effects, no `node:` import.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.js"
import * as Fault from "./fault.js"
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
const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

const startsWith = (bytes: Uint8Array, prefix: Uint8Array, from: number): boolean =>
  prefix.every((byte, index) => bytes[from + index] === byte)

const concat = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const whole = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
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

  /** How much of `text` was handed on: all of it, or all but half of a surrogate pair. */
  private handedOn = 0
  private readonly line: Array<Uint8Array> = []
  private lineSize = 0
  private isAfterCR = false
  private isFirstLine = true

  constructor(private readonly maxFrameSize: number) {}

  /** The deltas that become known with the next bytes. */
  push(bytes: Uint8Array): Array<string> {
    const deltas: Array<string> = []
    let start = this.isAfterCR && bytes[0] === LF ? 1 : 0
    if (bytes.length > 0) this.isAfterCR = false
    for (let index = start; index < bytes.length && this.outcome === undefined; index++) {
      const byte = bytes[index]
      if (byte !== LF && byte !== CR) continue
      this.hold(bytes, start, index)
      this.endLine(deltas)
      if (byte === CR) {
        if (index + 1 === bytes.length) this.isAfterCR = true
        else if (bytes[index + 1] === LF) index++
      }
      start = index + 1
    }
    if (this.outcome === undefined) this.hold(bytes, start, bytes.length)
    return deltas
  }

  /** The connection has ended: a last line without a line end counts only when it is `[DONE]`. */
  end(): Array<string> {
    const deltas: Array<string> = []
    if (this.outcome === undefined && this.payload()?.startsWith(Protocol.done) === true) this.endReply(deltas)
    return deltas
  }

  private hold(bytes: Uint8Array, start: number, end: number): void {
    if (end > start) this.line.push(bytes.subarray(start, end))
    this.lineSize += end - start
    if (this.lineSize > this.maxFrameSize) {
      this.outcome = {
        _tag: "Malformed",
        issue: `expected a frame of at most ${this.maxFrameSize} bytes, found a larger one`
      }
    }
  }

  /** What follows `data:` on the line, if it is such a line and means something. */
  private payload(): string | undefined {
    const line = concat(this.line, this.lineSize)
    const start = this.isFirstLine && startsWith(line, byteOrderMark, 0) ? byteOrderMark.length : 0
    if (!startsWith(line, dataField, start)) return undefined
    try {
      const payload = utf8.decode(line.subarray(start + dataField.length)).trim()
      return payload === "" || payload.startsWith(":") ? undefined : payload
    } catch {
      this.passOver("expected UTF-8, found other bytes")
      return undefined
    }
  }

  private endLine(deltas: Array<string>): void {
    if (this.outcome !== undefined) return
    const payload = this.payload()
    this.line.length = 0
    this.lineSize = 0
    this.isFirstLine = false
    if (payload === undefined) return
    if (payload.startsWith(Protocol.done)) this.endReply(deltas)
    else {Either.match(Fault.parseJson(payload), {
        onLeft: (issue) => this.passOver(issue),
        onRight: (json) => this.frame(json, deltas)
      })}
  }

  private passOver(issue: string): void {
    this.unreadable = issue
    this.passedOver.push(issue)
  }

  private endReply(deltas: Array<string>): void {
    if (this.unreadable !== undefined) {
      this.outcome = { _tag: "Malformed", issue: `the last frame: ${this.unreadable}` }
      return
    }
    if (this.handedOn < this.text.length) deltas.push("\ufffd")
    this.outcome = { _tag: "Done" }
  }

  private frame(json: unknown, deltas: Array<string>): void {
    if (!Predicate.hasProperty(json, "content")) {
      const fault = Fault.serviceFault(json)
      if (fault !== undefined) this.outcome = { _tag: "ServiceFault", fault }
      return
    }
    Either.match(decodeFrame(json), {
      onLeft: (error) => this.passOver(describe(error)),
      onRight: ({ content }) => this.content(content, deltas)
    })
  }

  private content(content: string, deltas: Array<string>): void {
    if (content.startsWith(this.text)) {
      this.text = content
      const end = isHighSurrogate(content.charCodeAt(content.length - 1)) ? content.length - 1 : content.length
      if (end > this.handedOn) {
        deltas.push(content.slice(this.handedOn, end).replace(/\p{Surrogate}/gu, "\ufffd"))
        this.handedOn = end
      }
    } else if (!this.text.startsWith(content)) {
      this.outcome = { _tag: "Malformed", issue: "expected text that continues what came before, found other text" }
      return
    }
    this.goodFrames++
    this.unreadable = undefined
  }
}
