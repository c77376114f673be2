import { vi } from "@effect/vitest"
import { Effect, type Scope } from "effect"

/** Until the scope ends, timers run only as `vi` advances them. */
export const fakeTimers: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
  () => Effect.sync(() => vi.useRealTimers())
)
