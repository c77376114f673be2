import { assert, describe, it } from "@effect/vitest"
import { Channel, Chunk, Effect, Stream } from "effect"
import * as Running from "../../src/internal/running.js"

describe("Running", () => {
  it.effect("keeps the fiber of a reply as long as the reply runs", () =>
    Effect.gen(function*() {
      const running = new Running.Running()
      const sizes: Array<number> = []
      const reply: Channel.Channel<Chunk.Chunk<string>> = Channel.zipRight(
        Channel.sync(() => sizes.push(running.fibers.size)),
        Channel.write(Chunk.empty())
      )
      yield* Stream.runDrain(Stream.fromChannel(Running.channel(reply, running)))
      assert.deepStrictEqual([...sizes, running.fibers.size], [1, 0])
    }))
})
