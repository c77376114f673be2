import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** The deltas as a program takes them: one after another. */
export const joined = <E, R>(deltas: Stream.Stream<string, E, R>): Effect.Effect<string, E, R> =>
  Effect.suspend(() => {
    let text = ""
    const add = (delta: string) =>
      Effect.sync(() => {
        text += delta
      })
    return Effect.map(Stream.runForEach(deltas, add), () => text)
  })
