import { assert, describe, it } from "@effect/vitest"
import { Channel, Chunk, Effect, Exit, Scope, Stream } from "effect"
import * as Running from "../../src/internal/running.js"
import { pause } from "../utils/eventually.js"

describe("Running", () => {
  it.effect("keeps the fiber of a reply as long as the reply runs", () =>
    Effect.gen(function*() {
      const running = new Running.Running()
      const sizes: Array<number> = []
      const reply: Channel.Channel<Chunk.Chunk<string>> = Channel.zipRight(
        Channel.sync(() => sizes.push(running.fibers.size)),
        Channel.write(Chunk.empty())
      )
      const other = new Running.Running()
      const onExit = () => Effect.sync(() => sizes.push(other.fibers.size))
      yield* Stream.runDrain(Stream.fromChannel(Running.channel(reply, () => [other, running], onExit)))
      assert.deepStrictEqual([...sizes, running.fibers.size], [1, 0, 0])
    }))

  it.effect("keeps the fiber of an effect as long as the effect runs", () =>
    Effect.gen(function*() {
      const running = new Running.Running()
      const size = yield* Running.effect(Effect.sync(() => running.fibers.size), running)
      assert.deepStrictEqual([size, running.fibers.size], [1, 0])
    }))

  it.effect("waits at its end for the fibers that it interrupts", () =>
    Effect.gen(function*() {
      let isOver = false
      const end = Effect.zipRight(pause, Effect.sync(() => isOver = true))
      const scope = yield* Scope.make()
      const running = yield* Scope.extend(Running.make, scope)
      yield* Effect.fork(Running.effect(Effect.onInterrupt(Effect.never, () => end), running))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isOver)
    }))
})
