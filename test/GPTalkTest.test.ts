import {
  HttpBody,
  HttpClient,
  type HttpClientResponse,
  HttpLayerRouter,
  HttpMiddleware,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Cause, Chunk, Deferred, Effect, Fiber, FiberRef, Layer, Option, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import { readFileSync } from "node:fs"
import { changed } from "./utils/clients.js"
import { failure, layer, program, steps } from "./utils/inMemory.js"
import * as Spans from "./utils/spans.js"
import * as TestServer from "./utils/TestServer.js"

const collect = Effect.map(Stream.runCollect(GPTalk.streamText({ prompt: "Say hi" })), (deltas) => [...deltas])

describe("GPTalkTest", () => {
  it.effect("the test of a program is five lines", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* program, "Hi!")
    }).pipe(Effect.provide(
      GPTalk.layer({ url: "http://gptalk.test" }).pipe(
        Layer.provide(GPTalkTest.layerHttpClient({ replies: ["Hi!"] }))
      )
    )))

  it("needs no more than effect and @effect/platform", () => {
    const files = new Set([new URL("../src/GPTalkTest.ts", import.meta.url).href])
    // Those that it finds on the way, it goes through too.
    for (const file of files) {
      const source = readFileSync(new URL(file), "utf8")
      for (const [, module] of source.matchAll(/^(?:import|(?:import|export|\}).* from) "([^"]+)"$/gm)) {
        assert.match(module!, /^(effect\/|@effect\/platform\/|\.)/, file)
        if (module!.startsWith(".")) files.add(new URL(module!.replace(/\.js$/, ".ts"), file).href)
      }
    }
    assert.isAbove(files.size, 10)
  })

  describe("replies", () => {
    it.effect("by default echo the prompt", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* program, "You said: Say hi")
      }).pipe(Effect.provide(layer())))

    it.effect("are used one after another", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Effect.replicateEffect(program, 3), ["1", "2", "3"])
      }).pipe(Effect.provide(layer({ replies: ["1", ["2"], Stream.make("3")] }))))

    it.effect("a call for which none is left dies, and says why", () =>
      Effect.gen(function*() {
        yield* program
        const cause = yield* Effect.flip(Effect.sandbox(program))
        assert.match(String(cause), /a reply was asked for after all 1 were used/)
      }).pipe(Effect.provide(layer({ replies: ["1"] }))))

    it.effect("of calls at once are used one each", () =>
      Effect.gen(function*() {
        const calls = yield* Effect.all(Arr.makeBy(3, () => program), { concurrency: "unbounded" })
        assert.deepStrictEqual(calls.sort(), ["1", "2", "3"])
      }).pipe(Effect.provide(layer({ replies: ["1", "2", "3"] }))))

    it.effect("of calls at once, those for which none is left die too", () =>
      Effect.gen(function*() {
        const calls = Array.from({ length: 3 }, () => Effect.either(Effect.sandbox(program)))
        const [causes, whole] = Arr.separate(yield* Effect.all(calls, { concurrency: "unbounded" }))
        assert.deepStrictEqual(whole, ["1"])
        for (const cause of causes) {
          assert.isTrue(Cause.isDieType(cause))
          assert.match(String(cause), /a reply was asked for after all 1 were used/)
        }
      }).pipe(Effect.provide(layer({ replies: ["1"] }))))

    it.effect("a request that the server refuses uses none", () =>
      Effect.gen(function*() {
        const { status } = yield* HttpClient.get(`http://gptalk.test${Protocol.paths.stream}?token=x`)
        assert.strictEqual(status, 403)
        assert.strictEqual(yield* program, "1")
      }).pipe(Effect.provide(layer({ replies: ["1"] }))))

    it.effect("can be made from the request", () =>
      Effect.gen(function*() {
        const request = { prompt: "a", model: "m", temperature: 0.5, systemPrompt: "s", contextMessages: 0 }
        assert.deepStrictEqual(JSON.parse(yield* GPTalk.generateText(request)), request)
      }).pipe(Effect.provide(layer({ replies: (request) => JSON.stringify(request) }))))

    it.effect("a list is the deltas of one reply", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect, ["H", "i", "!"])
      }).pipe(Effect.provide(layer({ replies: [["H", "i", "!"]] }))))

    it.effect("a stream that fails is a reply that fails", () =>
      Effect.gen(function*() {
        const error = yield* failure({ replies: [Stream.fail("why")] })
        assert.include(error, { _tag: "ServiceError", step: "stream", code: 500 })
      }))

    it.effect("begin anew each time that the layer is built", () =>
      Effect.gen(function*() {
        const run = program.pipe(Effect.provide(layer({ replies: ["1", "2"] })))
        assert.deepStrictEqual(yield* Effect.replicateEffect(run, 2), ["1", "1"])
      }))

    it.effect("deltas arrive one by one, with time between them", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const fiber = yield* GPTalk.streamText({ prompt: "Say hi" }).pipe(
          Stream.runForEach((delta) => Effect.sync(() => seen.push(delta))),
          Effect.fork
        )
        for (const expected of [["a"], ["a", "b"], ["a", "b", "c"]]) {
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(seen, expected)
        }
        yield* Fiber.join(fiber)
      }).pipe(Effect.provide(layer({
        replies: [
          Stream.mapEffect(Stream.make("a", "b", "c"), (delta) => Effect.delay(Effect.succeed(delta), "1 second"))
        ]
      }))))

    it.effect("are pulled hardly further than they are read", () =>
      Effect.gen(function*() {
        let pulled = 0
        const counted = Stream.tap(Stream.range(1, 1000).pipe(Stream.map(String)), () => Effect.sync(() => pulled++))
        yield* GPTalk.streamText({ prompt: "Say hi" }).pipe(
          Stream.take(3),
          Stream.runDrain,
          Effect.provide(layer({ replies: [Stream.rechunk(counted, 1)] }))
        )
        assert.isBelow(pulled, 10)
      }))

    it.effect("are interrupted when the program stops reading", () =>
      Effect.gen(function*() {
        const isInterrupted = yield* Deferred.make<void>()
        const endless = Stream.concat(Stream.make("a"), Stream.never).pipe(
          Stream.ensuring(Deferred.succeed(isInterrupted, void 0))
        )
        yield* GPTalk.streamText({ prompt: "Say hi" }).pipe(
          Stream.take(1),
          Stream.runDrain,
          Effect.provide(layer({ replies: [endless] }))
        )
        yield* Deferred.await(isInterrupted)
      }))
  })

  describe("requests", () => {
    it.effect("are recorded in order", () =>
      Effect.gen(function*() {
        yield* program
        assert.deepStrictEqual(yield* steps, ["login", "text", "stream"])
      }).pipe(Effect.provide(layer())))

    it.effect("are those so far: later ones are not added", () =>
      Effect.gen(function*() {
        yield* program
        const requests = yield* GPTalkTest.requests
        yield* program
        assert.strictEqual(requests.length, 3)
      }).pipe(Effect.provide(layer())))

    it.effect("say what was asked, with what headers, and when", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(5000)
        yield* program
        const [, text] = yield* GPTalkTest.requests
        assert.deepStrictEqual(text!.asked, {
          prompt: "Say hi",
          model: "gpt-4",
          temperature: 0,
          systemPrompt: "",
          contextMessages: 3
        })
        assert.include(text!.headers, { "x-tenant": "7", "x-auth-timestamp": "5" })
        assert.strictEqual(text!.at, 5000)
      }).pipe(Effect.provide(layer({}, { model: "gpt-4", headers: { "x-tenant": "7" } }))))

    it.effect("say of each what was asked", () =>
      Effect.gen(function*() {
        yield* GPTalk.generateText({ prompt: "one" })
        yield* GPTalk.generateText({ prompt: "two" })
        const asked = (yield* GPTalkTest.requests).map(({ asked }) => asked?.prompt)
        assert.deepStrictEqual(asked, [undefined, "one", undefined, "two", undefined])
      }).pipe(Effect.provide(layer())))

    it.effect("hold no token and no fingerprint", () =>
      Effect.gen(function*() {
        yield* program
        assert.notMatch(JSON.stringify(yield* GPTalkTest.requests), /bearer|[0-9a-f]{32}/i)
      }).pipe(Effect.provide(layer())))
  })

  it.scoped("has routes of its own, beside those of another and of the program", () => {
    const ask = Effect.flatMap(HttpClient.HttpClient, (client) => client.get("http://gptalk.test/hello"))
    const first = Layer.effectDiscard(
      Effect.flatMap(ask, ({ status }) => Effect.sync(() => assert.strictEqual(status, 404)))
    )
      .pipe(Layer.provide(GPTalkTest.layerHttpClient()))
    const second = Layer.discard(layer())
    const routes = HttpLayerRouter.add("GET", "/hello", HttpServerResponse.text("hello"))
    return Effect.gen(function*() {
      const app = yield* HttpLayerRouter.toHttpEffect(Layer.mergeAll(routes, GPTalkServer.layer(), first, second))
      const request = HttpServerRequest.fromWeb(new Request("http://program.test/hello"))
      const { status } = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
      assert.strictEqual(status, 200)
    }).pipe(Effect.provide(Responder.layerEcho))
  })

  it.effect("the server's options are its own", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(program, 2)
      assert.deepStrictEqual((yield* steps).filter((step) => step === "login").length, 2)
    }).pipe(Effect.provide(layer({ server: { usageLimit: 1 } }))))

  describe("maxReplies of the server", () => {
    const server = { maxReplies: 2 }

    it.effect("bounds the replies that run at once", () =>
      Effect.gen(function*() {
        const calls = yield* Effect.fork(Effect.all(Arr.makeBy(5, () => Effect.either(program)), {
          concurrency: "unbounded"
        }))
        yield* TestClock.adjust("1 second")
        const tags = (yield* Fiber.join(calls)).map((reply) => reply._tag === "Right" ? "reply" : reply.left._tag)
        assert.deepStrictEqual(tags.sort(), ["RateLimitError", "RateLimitError", "RateLimitError", "reply", "reply"])
      }).pipe(Effect.provide(layer({
        server,
        replies: () => Stream.fromEffect(Effect.as(Effect.sleep("1 second"), "Hi!"))
      }))))

    it.effect("counts none whose client has gone before it read", () => {
      let count = 0
      const impatient = (client: HttpClient.HttpClient) =>
        HttpClient.transform(
          client,
          (response, request) =>
            request.url.includes(Protocol.paths.stream) && count++ === 0
              ? Effect.zipLeft(response, Effect.never)
              : response
        )
      return Effect.gen(function*() {
        const reply = yield* Effect.fork(program)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(reply), "You said: Say hi")
      }).pipe(Effect.provide(
        GPTalk.layer({ url: "http://gptalk.test", retries: 1 }).pipe(
          Layer.provide(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, impatient))),
          Layer.provide(GPTalkTest.layerHttpClient({ server: { maxReplies: 1 } }))
        )
      ))
    })

    it.effect("counts none that has ended, in whatever way", () =>
      Effect.gen(function*() {
        yield* Effect.exit(program)
        yield* Effect.exit(program)
        yield* Stream.runDrain(Stream.take(GPTalk.streamText({ prompt: "Say hi" }), 1))
        const replies = yield* Effect.replicateEffect(program, 3)
        assert.deepStrictEqual(replies, Arr.replicate("You said: Say hi", 3))
      }).pipe(Effect.provide(layer({
        server,
        faults: { stream: [GPTalkTest.cutOff(), GPTalkTest.end({ after: 1 })] }
      }))))
  })

  it.effect("the service may be anywhere below its host", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* program, "Hi!")
    }).pipe(Effect.provide(layer({ replies: ["Hi!"] }, { url: "https://gptalk.test/behind/a/proxy/" }))))

  it.effect("a path that is none of the protocol's is not found", () =>
    Effect.gen(function*() {
      const paths = ["/", "/api/chatgpt/user/logout", `${Protocol.paths.stream}/x`]
      const statuses = yield* Effect.forEach(paths, (path) =>
        Effect.map(HttpClient.get(`http://gptalk.test${path}`), ({ status }) => status))
      assert.deepStrictEqual(statuses, [404, 404, 404])
    }).pipe(Effect.provide(GPTalkTest.layerHttpClient())))

  it.effect("a login by another client is answered as JSON", () =>
    Effect.gen(function*() {
      const response = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
      assert.strictEqual(response.status, 400)
      assert.include(yield* response.json, { code: 400 })
    }).pipe(Effect.provide(GPTalkTest.layerHttpClient())))

  it.effect("the bytes of an answer can be read too", () =>
    Effect.gen(function*() {
      const { arrayBuffer, text } = yield* HttpClient.post(`http://gptalk.test${Protocol.paths.login}`)
      assert.strictEqual(new TextDecoder().decode(yield* arrayBuffer), yield* text)
    }).pipe(Effect.provide(GPTalkTest.layerHttpClient())))

  /** A program whose client reads each answer before GPTalk does. */
  const readingFirst = <E>(
    read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, E>,
    options: GPTalkTest.Options
  ) => {
    const client = changed(
      GPTalkTest.layerHttpClient(options),
      HttpClient.tap((response) => Effect.orDie(read(response)))
    )
    return Effect.provide(program, Layer.provide(GPTalk.layer({ retries: 0 }), client))
  }

  it.effect("a text that was read before is the reply still, and only one is used", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* readingFirst((response) => response.text, { replies: ["1", "2"] }), "1")
    }))

  it.effect.each<readonly [string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, Error>]>(
    [
      ["a stream", ({ stream }) => Stream.runDrain(stream)],
      ["an array buffer", ({ arrayBuffer }) => arrayBuffer]
    ]
  )("%s that was read before is gone, as on a network", ([_, read]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(readingFirst(read, { replies: ["1", "2"] }))
      assert.deepInclude(error, { _tag: "ConnectionError", step: "login" })
    }))

  describe("a response that another client than GPTalk reads", () => {
    const url = "http://gptalk.test"
    const post = (path: string, json: unknown, headers = {}) =>
      Effect.flatMap(
        HttpClient.post(url + path, { body: HttpBody.unsafeJson(json), headers }),
        ({ json }) => json as Effect.Effect<{ readonly data: { readonly token: string } }, Error>
      )
    const open = Effect.gen(function*() {
      const login = yield* post(Protocol.paths.login, { fingerprint: "0".repeat(32), platform: "fingerprint" })
      const authorization = `Bearer ${login.data.token}`
      const text = yield* post(Protocol.paths.text, TestServer.textBody, { authorization })
      const response = yield* HttpClient.get(url + Protocol.paths.stream, { urlParams: text.data })
      return Stream.filter(Stream.decodeText(response.stream), (frame) => frame !== "")
    })
    const endless = Stream.concat(Stream.make("Hi"), Stream.never)

    it.scoped("breaks when the layer ends", () =>
      Effect.gen(function*() {
        let isEnded = false
        const reply = Stream.ensuring(endless, Effect.sync(() => (isEnded = true)))
        const pulled = Effect.tap(
          Effect.flatMap(open, Stream.toPull),
          (pull) => Effect.repeat(pull, { until: Chunk.isNonEmpty })
        )
        const pull = yield* Effect.provide(pulled, GPTalkTest.layerHttpClient({ replies: [reply] }))
        assert.isTrue(isEnded)
        assert.deepInclude(Option.getOrThrow(yield* Effect.flip(pull)), { _tag: "ResponseError" })
      }))

    it.effect("is left early where nothing can be interrupted", () =>
      Effect.gen(function*() {
        const frames = yield* open
        const [first] = yield* Effect.uninterruptible(Stream.runCollect(Stream.take(frames, 1)))
        assert.strictEqual(first, "data: {\"content\":\"Hi\"}\n\n")
      }).pipe(Effect.provide(GPTalkTest.layerHttpClient({ replies: [endless] }))))
  })

  it.effect("leaves the logger of an HTTP server that calls GPTalk as it is", () =>
    Effect.gen(function*() {
      yield* program
      yield* HttpClient.get(`http://gptalk.test${Protocol.paths.stream}`)
      assert.isFalse(yield* FiberRef.get(HttpMiddleware.loggerDisabled))
    }).pipe(Effect.provide(layer())))

  it.effect("adds nothing to the spans of the program", () =>
    Effect.gen(function*() {
      const { layer: tracer, spans } = yield* Spans.record
      yield* program.pipe(Effect.provide(layer()), Effect.provide(tracer))
      assert.isAbove(spans.length, 0)
      assert.deepStrictEqual(spans.filter(({ attributes }) => attributes.has("http.route")), [])
    }))
})
