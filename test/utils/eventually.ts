import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Makes an assertion again and again until it holds, or two seconds are over. */
export const eventually = (assertion: () => void): Effect.Effect<void> =>
  Effect.try(assertion).pipe(
    Effect.retry(Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(200))),
    Effect.catchAll((exception) => Effect.die(exception.error))
  )
