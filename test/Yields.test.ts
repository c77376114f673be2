/**
 * A fiber may yield between any two of its steps. The fewer steps it makes at a time, the more such places there are;
 * with fewer than a dozen, Effect itself does not get on.
 */
import { HttpLayerRouter } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Stream } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import { post, webHandler } from "./utils/hosts.js"
import * as InMemory from "./utils/inMemory.js"
import * as TestServer from "./utils/TestServer.js"

const steps = Array.range(12, 40)

describe("wherever fibers yield", () => {
  it.live.each(steps)("GPTalkTest gives the whole reply: %s steps at a time", (steps) =>
    Effect.gen(function*() {
      const text = yield* InMemory.program.pipe(
        Effect.provide(InMemory.layer({ replies: [["Hi"]] })),
        Effect.withMaxOpsBeforeYield(steps),
        Effect.timeout("10 seconds")
      )
      assert.strictEqual(text, "Hi")
    }))

  describe("the server keeps its limits", () => {
    const make = (steps: number) =>
      Effect.gen(function*() {
        const send = yield* webHandler({
          usageLimit: 8,
          maxReplies: 2,
          responder: Responder.make(() => Stream.never),
          middleware: HttpLayerRouter.middleware(Effect.withMaxOpsBeforeYield(steps), { global: true })
        })
        const { body: { data } } = yield* post(send, Protocol.paths.login, TestServer.loginBody)
        const text = post(send, Protocol.paths.text, TestServer.textBody, `Bearer ${data.token}`)
        return { send, text }
      })

    /** The answers that are no refusals, of many at once. */
    const accepted = (answers: ReadonlyArray<Effect.Effect<{ readonly status: number }>>) =>
      Effect.map(Effect.all(answers, { concurrency: "unbounded" }), Array.filter(({ status }) => status === 200))

    it.scoped.each(steps)("maxReplies: %s steps at a time", (steps) =>
      Effect.gen(function*() {
        const { send, text } = yield* make(steps)
        const tokens = yield* Effect.replicateEffect(Effect.map(text, ({ body }) => body.data.token as string), 8)
        const streams = tokens.map((token) => send(`${Protocol.paths.stream}?token=${token}`))
        assert.lengthOf(yield* accepted(streams), 2)
      }))

    it.scoped.each(steps)("usageLimit: %s steps at a time", (steps) =>
      Effect.gen(function*() {
        const { text } = yield* make(steps)
        assert.lengthOf(yield* accepted(Array.replicate(text, 20)), 8)
      }))
  })
})
