/**
 * Fibers that are interrupted when a scope closes: an HTTP server that closes would wait for its requests to end.
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** @internal */
export type Running = Set<Fiber.RuntimeFiber<unknown, unknown>>

/** @internal */
export const make: Effect.Effect<Running, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Set()),
  (running) => Fiber.interruptAll(running)
)

/**
 * Adds the current fiber to the set. Returns a function that removes it.
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
 * Keeps the fiber of the channel in the set as long as it runs. A channel cannot be interrupted between `enter` and the
 * registration of its finalizer, so this needs no scope.
 *
 * @internal
 */
export const channel = <A>(self: Channel.Channel<A>, running: Running): Channel.Channel<A> =>
  Channel.suspend(() => Channel.ensuring(self, Effect.sync(enter(running))))
