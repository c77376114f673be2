import { HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Channel, Chunk, Effect, Exit, Fiber, Stream } from "effect"
import * as Connection from "../../src/internal/connection.js"
import * as Running from "../../src/internal/running.js"

const run = (frames: Channel.Channel<Chunk.Chunk<Uint8Array>>, request: HttpServerRequest.HttpServerRequest) =>
  Stream.runDrain(Stream.fromChannel(Running.channel(frames, () => Connection.running(request), () => Effect.void)))

describe("Connection", () => {
  it.live.each([
    ["with its connection", { socket: { destroyed: true, on: () => {} } }],
    ["and aborted its web request", { signal: AbortSignal.abort() }]
  ])("interrupts a reply whose client has gone before it begins, %s", ([_, source]) =>
    Effect.gen(function*() {
      const request = { source } as unknown as HttpServerRequest.HttpServerRequest
      const frames = Channel.zipRight(
        Channel.write(Chunk.of(new Uint8Array(0))),
        Stream.toChannel(Stream.never)
      ) as Channel.Channel<Chunk.Chunk<Uint8Array>>
      const exit = yield* Effect.timeout(
        Effect.flatMap(Effect.fork(run(frames, request)), Fiber.await),
        "5 seconds"
      )
      assert.isTrue(Exit.isInterrupted(exit), String(exit))
    }))

  const empty: Channel.Channel<Chunk.Chunk<Uint8Array>> = Channel.write(Chunk.empty())

  it.effect.each([{ socket: {} }, { signal: null }, { signal: {} }])(
    "leaves a reply alone whose request has no real connection: %j",
    (source) => run(empty, { source } as unknown as HttpServerRequest.HttpServerRequest)
  )

  it.effect("receives what still comes with an upgrade that it refuses", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const socket = { destroyed: false, on: () => {}, resume: () => calls.push("resume") }
      const request = { source: { socket, upgrade: true } } as unknown as HttpServerRequest.HttpServerRequest
      const error = yield* Connection.refuseUpgrade.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request),
        Effect.flip
      )
      assert.deepInclude(error, { code: 400 })
      assert.deepStrictEqual(calls, ["resume"])
    }))

  it.effect("has one listener on a connection, however many requests come on it", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const socket = { destroyed: false, on: (event: string) => events.push(event) }
      const request = { source: { socket } } as unknown as HttpServerRequest.HttpServerRequest
      yield* Effect.replicateEffect(run(empty, request), 3)
      assert.deepStrictEqual(events, ["close"])
    }))
})
