/**
 * Parses JSON from outside. The issue does not quote it.
 */
import * as Either from "effect/Either"

/** @internal */
export const parse = (text: string): Either.Either<unknown, string> =>
  Either.try({
    try: () => JSON.parse(text) as unknown,
    // The engine's own message quotes the text.
    catch: () => text === "" ? "expected JSON, found nothing" : "expected JSON, found other text"
  })
