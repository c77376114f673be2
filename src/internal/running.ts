/**
 * Fibers that end with a scope, whatever they wait for: an HTTP server that closes waits for its requests.
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** @internal */
export type Running = Set<Fiber.Fiber<unknown, unknown>>

/** @internal */
export const make: Effect.Effect<Running, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Set()),
  (running) => Fiber.interruptAll(running)
)

/**
 * Puts the fiber that calls this into the set. What it gives takes the fiber out again.
 *
 * @internal
 */
export const enter = (running: Running): () => void => {
  const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
  running.add(fiber)
  return () => {
    running.delete(fiber)
  }
}

/**
 * The channel, whose fiber is in the set as long as it runs. A channel goes from here to its finalizer without a pause
 * in which it could be interrupted, and so does without a scope of its own.
 *
 * @internal
 */
export const channel = <A>(self: Channel.Channel<A>, running: Running): Channel.Channel<A> =>
  Channel.suspend(() => Channel.ensuring(self, Effect.sync(enter(running))))
