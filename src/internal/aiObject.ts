/**
 * Finds the object that was asked for in a reply that may say more: code fences, an introduction, an example.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { describe } from "./issue.js"

/**
 * Each opening brace that nothing closes costs a walk to the end of the reply.
 */
const mostUnclosed = 100

/** Where the object that opens at `from` ends, after its last brace; -1 when it does not. */
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

/** The outermost JSON objects of the text, in order. */
function* objectsOf(text: string): Generator<{ readonly source: string; readonly value: unknown }> {
  let failures = 0
  for (let from = text.indexOf("{"); from !== -1 && failures < mostUnclosed; from = text.indexOf("{", from)) {
    const end = endOf(text, from)
    const source = text.slice(from, end)
    const value = end === -1 ? Option.none() : Option.liftThrowable(() => JSON.parse(source) as unknown)()
    if (Option.isSome(value)) {
      yield { source, value: value.value }
      from = end
    } else {
      failures++
      from++
    }
  }
}

/**
 * The source of the first object that fits the schema, or why there is none, without a word of the reply.
 *
 * Only the encoded side of the schema is looked at: what its transformations make of it is not known here.
 *
 * @internal
 */
export const findObject = (text: string, schema: Schema.Schema.Any): Either.Either<string, string> => {
  const decode = Schema.decodeUnknownEither(Schema.encodedSchema(schema))
  let issue: string | undefined
  for (const { source, value } of objectsOf(text)) {
    const result = decode(value)
    if (Either.isRight(result)) return Either.right(source)
    issue ??= describe(result.left)
  }
  return Either.left(
    Predicate.isUndefined(issue)
      ? "The reply holds no JSON object"
      : `The reply holds no JSON object that fits the schema: ${issue}`
  )
}
