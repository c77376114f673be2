import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { clients } from "./utils/clients.js"
import * as FaultServer from "./utils/FaultServer.js"
import * as Load from "./utils/load.js"

const megabyte = 2 ** 20

// One after another: what they measure belongs to the process.
describe.each(Object.entries(clients))("over %s", (_, client) => {
  it.live("keeps many replies open at once", () =>
    Effect.gen(function*() {
      const { logins, open, replies } = yield* Load.openAtOnce(client, 100)
      assert.strictEqual(open, 100)
      assert.strictEqual(logins, 20)
      assert.deepStrictEqual([...replies], [FaultServer.reply])
    }), 90_000)

  it.live("holds no more after many replies than after some", () =>
    Effect.gen(function*() {
      const { growth } = yield* Load.oneAfterAnother(client, { count: 200, first: 50 })
      assert.isBelow(growth, 10 * megabyte)
    }), 90_000)

  it.live("holds the server back for a slow consumer, within bounds of memory", () =>
    Effect.gen(function*() {
      const { most, sent } = yield* Load.slowConsumer(client, { deltas: 10, pause: "60 millis" })
      assert.isBelow(sent, 24 * megabyte)
      assert.isBelow(most, 24 * megabyte)
    }), 90_000)

  it.live("takes a frame of ten megabytes", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* Load.largeFrame(client, 10 * megabyte), 10 * megabyte - 100)
    }), 90_000)

  it.live("leaves no socket, timer or fiber behind", () =>
    Effect.gen(function*() {
      const left = yield* Load.leftovers(Effect.zipRight(
        Load.openAtOnce(client, 20),
        Load.oneAfterAnother(client, { count: 40, first: 20 })
      ))
      assert.deepStrictEqual(left, { sockets: 0, timers: 0, fibers: 0 })
    }), 90_000)
})
