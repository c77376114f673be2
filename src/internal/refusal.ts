/**
 * The mark on an error that says that the service refused the session: not each is an `AuthenticationError`, and one of
 * another copy of the package is of another class. It is a property: inside a span, `Effect.fail` passes a proxy of the
 * error, so identity would not do.
 */
import * as Predicate from "effect/Predicate"

const mark: unique symbol = Symbol.for("effect-gptalk/SessionRefused")

/** @internal */
export const markRefusal = <E extends object>(error: E): E => Object.defineProperty(error, mark, { value: true })

/** @internal */
export const isMarked = (error: unknown): boolean => Predicate.hasProperty(error, mark)
