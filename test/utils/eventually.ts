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
