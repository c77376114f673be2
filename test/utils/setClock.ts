import { Clock, Effect } from "effect"

/** A clock that shows what the test says, in milliseconds; by default, who sleeps is never woken. */
export const makeSetClock = (
  now: () => number,
  sleep: Clock.Clock["sleep"] = () => Effect.never
): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: now,
  unsafeCurrentTimeNanos: () => BigInt(now()) * 1_000_000n,
  currentTimeMillis: Effect.sync(now),
  currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
  sleep
})
