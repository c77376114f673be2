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

const currentFiber = () => Option.getOrThrow(Fiber.getCurrentFiber())

/**
 * The effect, whose fiber is in the set as long as it runs.
 *
 * @internal
 */
export const effect = <A, E, R>(self: Effect.Effect<A, E, R>, running: Running): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const fiber = currentFiber()
      running.add(fiber)
      return fiber
    }),
    () => self,
    (fiber) => Effect.sync(() => running.delete(fiber))
  )

/**
 * The channel, whose fiber is in the set as long as it runs. A channel goes from here to its finalizer without a pause
 * in which it could be interrupted, and so does without a scope of its own.
 *
 * @internal
 */
export const channel = <A>(self: Channel.Channel<A>, running: Running): Channel.Channel<A> =>
  Channel.suspend(() => {
    const fiber = currentFiber()
    running.add(fiber)
    return Channel.ensuring(self, Effect.sync(() => running.delete(fiber)))
  })
