import * as Effect from "effect/Effect"

/** Makes an assertion again and again, in real time, until it holds or five seconds are over. */
export const eventually = (assertion: () => void): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let tries = 1;; tries++) {
      try {
        return assertion()
      } catch (error) {
        if (tries === 500) throw error
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  })

/** Lets 20 milliseconds of real time pass, so that what has been set going can come. */
export const pause: Effect.Effect<void> = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
