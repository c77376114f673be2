/**
 * How `Auth` knows that the service refused a session: by its error type, or by a mark on another error. The mark is
 * a property, since inside a span `Effect.fail` hands on a proxy of the error and identity would not hold.
 */
import * as Predicate from "effect/Predicate"
import { AuthenticationError } from "../GPTalkError.js"

const mark: unique symbol = Symbol.for("effect-gptalk/SessionRefused")

/** @internal */
export const markRefusal = <E extends object>(error: E): E => Object.defineProperty(error, mark, { value: true })

/** @internal */
export const isRefusal = (error: unknown): boolean =>
  Predicate.hasProperty(error, mark) || error instanceof AuthenticationError
