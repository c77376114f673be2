/**
 * What the service says in every row: the same reply for the same number of frames, with what makes replies hard to
 * decode in the shares that they have in real ones.
 */

/** About four characters each: Latin, Cyrillic, quotes, line breaks, a backslash, emoji. */
const tokens = [
  "The ",
  "quick",
  " fox",
  " said",
  ": \"No",
  "\".\n\n",
  "- or",
  " not",
  ", it",
  "'s ",
  "Прив",
  "ет, ",
  "как ",
  "дела",
  "? Да",
  " нет",
  "\n1. ",
  "да, ",
  "«ещё",
  "» — ",
  "code",
  " C:\\",
  "ok 👍",
  "👩‍💻 ",
  "time",
  " and",
  " the",
  " end",
  "ing ",
  "это ",
  "так ",
  "вот "
]

export const pieces = (count: number): ReadonlyArray<string> => {
  let state = 1
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return tokens[state >>> 27]!
  })
}

export interface Script {
  readonly text: string
  /** The whole body of `stream`, `[DONE]` included. */
  readonly bytes: Uint8Array
  /** The same, frame by frame. */
  readonly frames: ReadonlyArray<Uint8Array>
  /** The same, in chunks of 64 KiB. */
  readonly blocks: ReadonlyArray<Uint8Array>
}

const utf8 = new TextEncoder()
const head = "data: {\"content\":\""
const tail = "\"}\n\n"
const done = utf8.encode("data: [DONE]\n\n")

const chunksOf = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

export const make = (count: number): Script => {
  const contents: Array<Uint8Array> = []
  let escaped = ""
  let size = done.length
  for (const piece of pieces(count)) {
    escaped += JSON.stringify(piece).slice(1, -1)
    const frame = utf8.encode(head + escaped + tail)
    contents.push(frame)
    size += frame.length
  }
  const bytes = new Uint8Array(size)
  let offset = 0
  const frames = [...contents, done].map((frame) => {
    bytes.set(frame, offset)
    offset += frame.length
    return bytes.subarray(offset - frame.length, offset)
  })
  return { text: pieces(count).join(""), bytes, frames, blocks: chunksOf(bytes, 64 * 1024) }
}

const made = new Map<number, Script>()

/** Made once in a process. */
export const of = (count: number): Script => {
  const script = made.get(count) ?? make(count)
  made.set(count, script)
  return script
}
