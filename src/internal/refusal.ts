/**
 * How `Auth` recognizes that the service refused a session: by the class of the error, or by a mark on it. The mark is
 * a property: inside a span, `Effect.fail` passes a proxy of the error, so identity would not do.
 */
import * as Predicate from "effect/Predicate"
import { AuthenticationError } from "../GPTalkError.js"

const mark: unique symbol = Symbol.for("effect-gptalk/SessionRefused")

/** @internal */
export const markRefusal = <E extends object>(error: E): E => Object.defineProperty(error, mark, { value: true })

/** @internal */
export const isRefusal = (error: unknown): boolean =>
  Predicate.hasProperty(error, mark) || error instanceof AuthenticationError
