/**
 * Finds the object that was asked for in a reply that may hold more: code fences, an introduction, an example.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { describe } from "./issue.js"

/** How many objects of a reply are tried, and how many unclosed ones. Each unclosed one is scanned to the end. */
const mostTries = 5000
const mostUnclosed = 10

/**
 * Where an object opens: empty, with a field, or with a comment. The braces of code or formulas are followed by
 * something else. An object with comments is not read, since it is often a template of the answer; nor is an object
 * within it.
 */
const opening = /\{\s*(?:\}|\/[/*]|"(?:[^"\\\n]|\\.){0,2000}"\s*:)/g

/** What comes before an object within another: the name of a field, or the elements of an array. */
const within = /(?:"\s*:|[,[])\s*$/

/** A code fence and its content. */
const fence = /(?:^|\n)[ \t]*```[^\n`]*\n([^]*?)\n[ \t]*```/g

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
  readonly value: object
}

const parse = (source: string): Either.Either<Found, string> =>
  Either.try({
    try: () => ({ source, value: JSON.parse(source) as object }),
    catch: () => "it is not valid JSON"
  })

const controls: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** Models may also write trailing commas, and raw line breaks and tabs within strings. */
const mend = (source: string): string => {
  let isString = false
  return source.replace(/\\[^]|["\n\r\t]|,(?=\s*[}\]])/g, (match) => {
    if (match === "\"") isString = !isString
    if (isString) return controls[match] ?? match
    return match === "," ? "" : match
  })
}

/**
 * The JSON objects of the text, in order, or what is wrong with one. Nested objects are left out: in a reply that is
 * cut off, one is only a part of what was asked for.
 */
function* objectsIn(text: string): Generator<Either.Either<Found, string>> {
  let unclosed = 0
  for (let from = 0; unclosed < mostUnclosed;) {
    opening.lastIndex = from
    const match = opening.exec(text)
    if (match === null) return
    const { index } = match
    from = index + 1
    if (unclosed > 0 && within.test(text.slice(Math.max(0, index - 100), index))) continue
    const end = endOf(text, index)
    if (end === -1) {
      unclosed++
      yield Either.left("it is not closed")
    } else {
      from = end
      const source = text.slice(index, end)
      yield Either.orElse(parse(source), () => parse(mend(source)))
    }
  }
}

/**
 * The objects in code fences come first, as they are the answer rather than what surrounds it; unless the reply begins
 * with an object, and goes on with an example.
 */
function* objectsOf(text: string): Generator<Either.Either<Found, string>> {
  if (!text.trimStart().startsWith("{")) {
    for (const [, fenced = ""] of text.matchAll(fence)) yield* objectsIn(fenced)
  }
  yield* objectsIn(text)
}

const isEmpty = (value: unknown): boolean => Object.keys(Object(value)).length === 0

/**
 * The source of the first object that the schema decodes, or why there is none, without quoting a value of the reply.
 * An object that is empty, or has no field of the schema, counts only if there is no other.
 *
 * `LanguageModel` decodes the source again. That must not fail, as its error would quote the reply.
 *
 * @internal
 */
export const findObject = Effect.fnUntraced(function*<R>(
  text: string,
  schema: Schema.Schema<unknown, unknown, R>
): Effect.fn.Return<string, string, R> {
  // A decoded value may have fields that were not in the reply, or be none with fields.
  const decodeFields = Schema.decodeUnknownOption(Schema.encodedSchema(schema))
  const decode = ({ source, value }: Found) =>
    Schema.decodeUnknown(schema)(value).pipe(
      Effect.mapBoth({
        onFailure: describe,
        onSuccess: () => ({ source, isEmpty: Option.exists(decodeFields(value), isEmpty) })
      })
    )
  let tries = 0
  let empty: string | undefined
  let issue: string | undefined
  for (const found of objectsOf(text)) {
    if (++tries > mostTries) break
    const tried = yield* Effect.flatMap(found, decode).pipe(
      // A transformation of the program may throw, as does any schema on a value that is nested too deep.
      Effect.catchAllDefect((defect) =>
        Effect.fail(`decoding it throws ${Predicate.isError(defect) ? defect.name : "a value that is not an error"}`)
      ),
      Effect.either
    )
    if (Either.isLeft(tried)) issue ??= tried.left
    else if (tried.right.isEmpty) empty ??= tried.right.source
    else return tried.right.source
  }
  if (empty !== undefined && issue === undefined) return empty
  return yield* Effect.fail(
    issue === undefined
      ? "No JSON object was found in the reply"
      : `No JSON object that fits the schema was found in the reply: ${issue}`
  )
})
