import { FetchHttpClient, HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Array, Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Responder from "effect-gptalk/Responder"
import { handlerOf } from "./utils/hosts.js"
import * as TestServer from "./utils/TestServer.js"

/** What a server with these options dies of. */
const defect = (options: GPTalkServer.Options) =>
  GPTalkServer.layer(options).pipe(
    Layer.provide([Responder.layer(Responder.echo), HttpLayerRouter.layer]),
    Layer.build,
    Effect.scoped,
    Effect.exit,
    Effect.map((exit) => String(Exit.isFailure(exit) ? Cause.squash(exit.cause) : "nothing"))
  )

describe("GPTalkServer options", () => {
  it.effect.each<readonly [keyof GPTalkServer.Options, unknown]>([
    ["usageLimit", 0],
    ["usageLimit", 1.5],
    ["usageLimit", NaN],
    ["sessionLifetime", Duration.infinity],
    ["sessionLifetime", Infinity],
    ["sessionLifetime", 0],
    ["sessionLifetime", "soon"],
    ["streamTokenLifetime", Duration.infinity],
    ["streamTokenLifetime", "1 fortnight"],
    ["streamTokenLifetime", -1],
    ["maxSessions", -1],
    ["maxStreamTokens", -1],
    ["maxReplies", -1],
    ["maxReplies", Infinity],
    ["maxBodySize", 0],
    ["maxBodySize", "1 MiB"]
  ])("%s: %s is a mistake that is told by its name", ([name, value]) =>
    Effect.gen(function*() {
      assert.match(yield* defect({ [name]: value }), new RegExp(`^Error: GPTalkServer: option ${name}: expected `))
    }))

  it.effect("those that are undefined are their defaults", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* defect({ usageLimit: undefined, sessionLifetime: undefined }), "nothing")
    }))

  describe("maxReplies", () => {
    /** A server whose first reply runs until it is told to end. */
    const make = Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const responder = Responder.make(() =>
        Stream.concat(
          Stream.fromEffect(Effect.as(Deferred.succeed(begun, void 0), "a")),
          Stream.fromEffect(Effect.as(Deferred.await(end), "b"))
        )
      )
      const server = yield* TestServer.make({ maxReplies: 1, responder })
      const first = yield* Effect.fork(TestServer.stream(server, yield* TestServer.newStreamToken(server)))
      yield* Deferred.await(begun)
      const token = yield* TestServer.newStreamToken(server)
      const finish = Effect.zipRight(Deferred.succeed(end, void 0), Fiber.join(first))
      return { server, token, finish, first }
    })

    it.scopedLive("a reply beyond it is refused for a while", () =>
      Effect.gen(function*() {
        const { server, token } = yield* make
        const { headers, status } = yield* TestServer.stream(server, token)
        assert.deepStrictEqual([status, headers.get("retry-after")], [429, "1"])
      }))

    it.scopedLive("the token of one that was refused is good afterwards", () =>
      Effect.gen(function*() {
        const { finish, server, token } = yield* make
        yield* TestServer.stream(server, token)
        yield* finish
        const { body, status } = yield* TestServer.stream(server, token)
        assert.strictEqual(status, 200)
        assert.include(body, "[DONE]")
      }))

    it.scopedLive("replies count from when they are asked for, however late they begin", () =>
      Effect.gen(function*() {
        const slow = HttpLayerRouter.middleware(
          (app) => Effect.tap(app, () => Effect.sleep("50 millis")),
          { global: true }
        )
        const responder = Responder.make(() => Stream.fromEffect(Effect.as(Effect.sleep("1 second"), "a")))
        const server = yield* TestServer.make({ maxReplies: 2, responder, middleware: slow })
        const tokens = yield* Effect.all(Array.makeBy(6, () => TestServer.newStreamToken(server)))
        const answers = yield* Effect.forEach(tokens, (token) => TestServer.stream(server, token), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [200, 200, 429, 429, 429, 429])
      }))

    it.scopedLive("a token that is no good neither takes a place nor makes one", () =>
      Effect.gen(function*() {
        const responder = Responder.make(() => Stream.concat(Stream.make("a"), Stream.never))
        const server = yield* TestServer.make({ maxReplies: 1, responder })
        const begin = (token: string) =>
          Effect.promise((signal) => fetch(TestServer.streamUrl(server, token), { signal }))
        const tokens = yield* Effect.replicateEffect(TestServer.newStreamToken(server), 2)
        const answers = yield* Effect.forEach(["x", "x", ...tokens], begin)
        assert.deepStrictEqual(answers.map(({ status }) => status), [403, 403, 200, 429])
      }))

    it.scopedLive("a reply that its client has left makes room", () =>
      Effect.gen(function*() {
        const { first, server, token } = yield* make
        yield* Fiber.interrupt(first)
        const status = Effect.promise(async (signal) => {
          const response = await fetch(TestServer.streamUrl(server, token), { signal })
          await response.body?.cancel()
          return response.status
        })
        assert.strictEqual(
          yield* status.pipe(
            Effect.delay("20 millis"),
            Effect.repeat({ while: (status) => status === 429, times: 100 })
          ),
          200
        )
      }))
  })

  it.scoped("two servers live in one router, each below a prefix, and middleware covers one alone", () => {
    const at = (prefix: string, reply: string) =>
      GPTalkServer.layer().pipe(
        Layer.provide(TestServer.below(prefix)),
        Layer.provide(Responder.layer(Responder.make(() => Stream.make(reply))))
      )
    const locked = HttpLayerRouter.middleware(Effect.as(HttpServerResponse.empty({ status: 418 }))).layer
    return Effect.gen(function*() {
      const handle = yield* handlerOf(
        Layer.mergeAll(at("/a", "A"), at("/b", "B"), Layer.provide(at("/c", "C"), locked))
      )
      const ask = (prefix: string) =>
        GPTalk.generateText({ prompt: "Hi" }).pipe(
          Effect.provide(GPTalk.layer({ url: `http://localhost${prefix}` })),
          Effect.provide(FetchHttpClient.layer),
          Effect.provideService(FetchHttpClient.Fetch, (input, init) => handle(new Request(input, init)))
        )
      assert.deepStrictEqual(yield* Effect.forEach(["/a", "/b"], ask), ["A", "B"])
      assert.deepInclude(yield* Effect.flip(ask("/c")), { _tag: "ServiceError", status: 418 })
    })
  })
})
