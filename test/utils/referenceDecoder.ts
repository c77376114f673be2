/**
 * The rules of the stream, written down as plainly as possible and for whole texts: what the fast decoder is held to.
 */
export interface Reference {
  readonly deltas: string
  readonly outcome: "Done" | "ServiceFault" | "Malformed" | undefined
  readonly text: string
  readonly goodFrames: number
}

const split = (bytes: Uint8Array): { readonly lines: Array<Uint8Array>; readonly last: Uint8Array } => {
  const lines: Array<Uint8Array> = []
  let start = 0
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== 10 && bytes[index] !== 13) continue
    lines.push(bytes.slice(start, index))
    if (bytes[index] === 13 && bytes[index + 1] === 10) index++
    start = index + 1
  }
  return { lines, last: bytes.slice(start) }
}

/** What ends the reply at once, with a line end or without one. */
const done = Symbol("[DONE]")

const payloadOf = (line: Uint8Array, isFirst: boolean): string | typeof done | undefined | Error => {
  const start = isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? 3 : 0
  const field = Array.from(line.slice(start, start + 5), (byte) => String.fromCharCode(byte)).join("")
  if (field !== "data:") return undefined
  const rest = Array.from(line.slice(start + 5, 32), (byte) => String.fromCharCode(byte)).join("")
  if (/^[ \t]*\[DONE\]/.test(rest)) return done
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line.slice(start + 5)).trim()
    return text === "" || text.startsWith(":") ? undefined : text
  } catch {
    return new Error("no UTF-8")
  }
}

export const decode = (bytes: Uint8Array): Reference => {
  let text = ""
  let goodFrames = 0
  let outcome: Reference["outcome"]
  let unreadable = false
  const { last, lines } = split(bytes)
  for (const [index, line] of [...lines, last].entries()) {
    if (outcome !== undefined) break
    const payload = payloadOf(line, index === 0)
    if (payload === undefined) continue
    const isLast = index === lines.length
    if (payload instanceof Error) {
      if (!isLast) unreadable = true
      continue
    }
    if (payload !== done && isLast) continue
    // Behind other blanks than spaces and tabs, it is one like any line.
    if (payload === done || payload.startsWith("[DONE]")) {
      outcome = unreadable ? "Malformed" : "Done"
      continue
    }
    let json: unknown
    try {
      json = JSON.parse(payload)
    } catch {
      unreadable = true
      continue
    }
    if (typeof json !== "object" || json === null) continue
    const isError = "code" in json && typeof json.code === "number" && ![0, 200].includes(json.code)
    if (!("content" in json) || json.content === null || (json.content === "" && isError)) {
      if (isError) outcome = "ServiceFault"
      continue
    }
    if (typeof json.content !== "string") {
      unreadable = true
      continue
    }
    if (!json.content.startsWith(text) && !text.startsWith(json.content)) {
      outcome = "Malformed"
      continue
    }
    if (json.content.length > text.length) text = json.content
    goodFrames++
    unreadable = false
  }
  const isHalf = /[\ud800-\udbff]$/.test(text)
  const handedOn = isHalf && outcome !== "Done" ? text.slice(0, -1) : text
  return { deltas: handedOn.replace(/\p{Surrogate}/gu, "\ufffd"), outcome, text, goodFrames }
}
