/**
 * Fibers that are interrupted together: when the server ends, which would wait for its requests, or when a connection
 * closes.
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import type { LazyArg } from "effect/Function"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** @internal */
export class Running {
  readonly fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  #interruptor: FiberId.FiberId | undefined

  /** Adds the current fiber. Returns a function that removes it. After `end`, the fiber is interrupted at once. */
  enter(): () => void {
    const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
    this.fibers.add(fiber)
    if (this.#interruptor !== undefined) fiber.unsafeInterruptAsFork(this.#interruptor)
    return () => {
      this.fibers.delete(fiber)
    }
  }

  /** Interrupts all fibers, and those that enter later. */
  end(interruptor: FiberId.FiberId): void {
    this.#interruptor = interruptor
    for (const fiber of this.fibers) fiber.unsafeInterruptAsFork(interruptor)
  }
}

/**
 * Ends with its scope, which waits for the fibers still running.
 *
 * @internal
 */
export const make: Effect.Effect<Running, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Running()),
  (running) =>
    Effect.fiberIdWith((id) => {
      running.end(id)
      return Fiber.awaitAll(running.fibers)
    })
)

/**
 * Keeps the fiber of the effect in `running` as long as it runs.
 *
 * @internal
 */
export const effect = <A, E, R>(self: Effect.Effect<A, E, R>, running: Running): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(Effect.sync(() => running.enter()), () => self, (leave) => Effect.sync(leave))

/**
 * Keeps the fiber of the channel in each of `all` as long as it runs. A channel cannot be interrupted before its
 * finalizer is registered, so this needs no scope. One finalizer serves all, since each slows every chunk.
 *
 * @internal
 */
export const channel = <A>(
  self: Channel.Channel<A>,
  all: LazyArg<ReadonlyArray<Running>>,
  onExit: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): Channel.Channel<A> =>
  Channel.suspend(() => {
    const leave = all().map((running) => running.enter())
    return Channel.ensuringWith(self, (exit) => {
      for (const one of leave) one()
      return onExit(exit)
    })
  })
