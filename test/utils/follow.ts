/**
 * A stream whose deltas a test takes one at a time.
 */
import { Effect, Queue, Stream } from "effect"

/** Runs the stream, and gives its deltas one by one. */
export const follow = <E>(stream: Stream.Stream<string, E>) =>
  Effect.gen(function*() {
    const deltas = yield* Queue.unbounded<string>()
    yield* Effect.forkScoped(Stream.runForEach(stream, (delta) => Queue.offer(deltas, delta)))
    return Queue.take(deltas)
  })
