/**
 * Finds the object that was asked for in a reply that may hold more: code fences, an introduction, an example.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { describe } from "./issue.js"

/**
 * How many characters the search scans at most: text that is nested too deeply, or never closed, is scanned again from
 * each of its braces. Parsing and checking even the shortest object costs as much as scanning `perTry` characters.
 */
const mostWork = (text: string): number => 5_000_000 + 5 * text.length
const perTry = 1000

/** Where an object may open: other braces, of code or formulas, have something else in them. */
const opening = /\{\s*["}]/g

/** The index after the last brace of the object that opens at `from`; -1 if it is not closed. */
const endOf = (text: string, from: number): number => {
  let depth = 0
  let isString = false
  for (let index = from; index < text.length; index++) {
    const char = text[index]
    if (isString) {
      if (char === "\\") index++
      else if (char === "\"") isString = false
    } else if (char === "\"") {
      isString = true
    } else if (char === "{") {
      depth++
    } else if (char === "}" && --depth === 0) {
      return index + 1
    }
  }
  return -1
}

interface Found {
  readonly source: string
  readonly value: unknown
}

const parse = Option.liftThrowable((source: string): Found => ({ source, value: JSON.parse(source) }))

const lastComma = /,\s*[}\]]/

/** Models also write a comma after the last field, as in code. */
const withoutLastCommas = (source: string): string => {
  let isString = false
  return source.replace(/\\[^]|"|,(?=\s*[}\]])/g, (match) => {
    if (match === "\"") isString = !isString
    return match === "," && !isString ? "" : match
  })
}

const parseMended = (source: string): Option.Option<Found> =>
  lastComma.test(source) ? parse(withoutLastCommas(source)) : Option.none()

/** The outermost JSON objects of the text, in order. */
function* objectsOf(text: string): Generator<Found> {
  let work = 0
  let from = 0
  while (work < mostWork(text)) {
    opening.lastIndex = from
    const match = opening.exec(text)
    if (match === null) return
    from = match.index
    const end = endOf(text, from)
    work += perTry + (end === -1 ? text.length : end) - from
    const source = text.slice(from, end)
    const found = end === -1 ? Option.none() : Option.orElse(parse(source), () => parseMended(source))
    if (Option.isSome(found)) yield found.value
    from = Option.isSome(found) ? end : from + 1
  }
}

/**
 * The source of the first object that the schema decodes, or why there is none, without quoting a value of the reply.
 *
 * If the schema decodes none, it is the first object that fits the encoded side of the schema: its transformations may
 * need services, which are not available here.
 *
 * @internal
 */
export const findObject = (text: string, schema: Schema.Schema.Any): Either.Either<string, string> => {
  // A transformation of the program may throw, and what is nested too deep makes any schema do so.
  const decodeEncoded = Option.liftThrowable(Schema.decodeUnknownEither(Schema.encodedSchema(schema)))
  const decode = Option.liftThrowable(Schema.decodeUnknownEither(schema as Schema.Schema<unknown, unknown>))
  let fitting: string | undefined
  let issue: string | undefined
  for (const { source, value } of objectsOf(text)) {
    if (Option.exists(decode(value), Either.isRight)) return Either.right(source)
    const encoded = decodeEncoded(value)
    if (Option.isNone(encoded)) issue ??= "decoding it throws an error"
    else if (Either.isRight(encoded.value)) fitting ??= source
    else issue ??= describe(encoded.value.left)
  }
  if (fitting !== undefined) return Either.right(fitting)
  return Either.left(
    issue === undefined
      ? "No JSON object was found in the reply"
      : `No JSON object that fits the schema was found in the reply: ${issue}`
  )
}
