import type { HttpClientResponse } from "@effect/platform"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, identity, Layer, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Http from "node:http"
import { changed, clients } from "./utils/clients.js"
import { eventually, pause } from "./utils/eventually.js"
import { faults } from "./utils/faults.js"
import * as FaultServer from "./utils/FaultServer.js"
import * as MockClient from "./utils/mockClient.js"
import { listen } from "./utils/proxies.js"
import * as TestServer from "./utils/TestServer.js"

type Bytes = HttpClientResponse.HttpClientResponse["stream"]

const gptalk = (
  layer: Layer.Layer<HttpClient.HttpClient>,
  change: (client: HttpClient.HttpClient) => HttpClient.HttpClient,
  options?: GPTalk.Options
) =>
  Effect.provide(
    GPTalk.layer({ retries: 0, timeouts: { response: "2 seconds", firstDelta: "2 seconds" }, ...options }).pipe(
      Layer.provide(changed(layer, change))
    )
  )

const ask = GPTalk.generateText({ prompt: "Hi" })

const reading = (client: HttpClient.HttpClient) => HttpClient.tap(client, (response) => response.text)

/** Responses whose bytes come another way. */
const wrap = (f: (stream: Bytes) => Bytes) => (response: HttpClientResponse.HttpClientResponse) =>
  Object.create(response, { stream: { value: f(response.stream) } }) as HttpClientResponse.HttpClientResponse

const wrapped = (f: (stream: Bytes) => Bytes) => (client: HttpClient.HttpClient) =>
  HttpClient.transformResponse(client, Effect.map(wrap(f)))

/** Only the answer to `stream` comes another way. */
const wrappedReply = (f: (stream: Bytes) => Bytes) => (client: HttpClient.HttpClient) =>
  HttpClient.transformResponse(
    client,
    Effect.map((response) =>
      response.headers["content-type"]?.includes("event-stream") === true ? wrap(f)(response) : response
    )
  )

const shout = (stream: Bytes): Bytes =>
  Stream.map(stream, (bytes) => new TextEncoder().encode(new TextDecoder().decode(bytes).replaceAll("Hi", "HI")))

class Shouting {
  constructor(readonly original: HttpClientResponse.HttpClientResponse) {}
  get status() {
    return this.original.status
  }
  get headers() {
    return this.original.headers
  }
  get stream() {
    return shout(this.original.stream)
  }
}

const withServer = <A, E>(use: (url: string) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(TestServer.make(), ({ url }) => use(url)))

/** A server that answers everything with this status and nothing else. */
const answering = (status: number) =>
  Effect.map(
    listen(Http.createServer((request, response) => {
      request.resume()
      response.writeHead(status).end()
    })),
    (port) => `http://127.0.0.1:${port}`
  )

describe("a client with middleware", () => {
  for (const [name, layer] of Object.entries(clients)) {
    describe(`over ${name}`, () => {
      it.live("that has read each answer leaves the reply", () =>
        withServer((url) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* ask, "You said: Hi")
          }).pipe(gptalk(layer, reading, { url }))
        ))

      it.live("that reads each answer in the background leaves the reply", () =>
        withServer((url) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* ask, "You said: Hi")
          }).pipe(gptalk(layer, HttpClient.tap((response) => Effect.forkDaemon(response.text)), { url }))
        ))

      it.scoped.each<readonly [number, string]>([
        [200, "ProtocolError: The service broke the protocol at login: expected JSON, found nothing."],
        [500, "ServiceError: The service answered with an error at login (status 500)."]
      ])("that has read an empty answer with status %s leaves it", ([status, message]) =>
        Effect.gen(function*() {
          const url = yield* answering(status)
          // Under a `TestClock` no timeout ever ends a wait.
          const error = yield* Effect.flip(ask).pipe(gptalk(layer, reading, { url }))
          assert.strictEqual(String(error), message)
        }))

      it.live("that gives the answers a stream of its own is heard", () =>
        withServer((url) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* ask, "You said: HI")
          }).pipe(gptalk(layer, wrapped(shout), { url }))
        ))

      it.live("that goes through filterStatusOk, mapRequest and retryTransient does no harm", () =>
        withServer((url) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* ask, "You said: Hi")
          }).pipe(gptalk(layer, (client) =>
            client.pipe(
              HttpClient.filterStatusOk,
              HttpClient.mapRequest(HttpClientRequest.setHeader("x-tenant", "7")),
              HttpClient.retryTransient({ times: 2 })
            ), { url }))
        ))
    })
  }

  describe.concurrent("that cannot be interrupted", () => {
    const uninterruptible = (client: HttpClient.HttpClient) =>
      HttpClient.transformResponse(client, Effect.uninterruptible)

    for (const [name, layer] of Object.entries(clients)) {
      for (const step of FaultServer.steps) {
        it.scoped(`over ${name}: a service that stalls at ${step} is hung up on in time`, () =>
          Effect.gen(function*() {
            const server = yield* FaultServer.make({ faults: { [step]: () => {} } })
            yield* Effect.gen(function*() {
              const fiber = yield* Effect.fork(Effect.flip(ask))
              yield* eventually(() => assert.strictEqual(server.requests[step], 1))
              yield* TestClock.adjust("2 seconds")
              assert.deepInclude(yield* Fiber.join(fiber), { _tag: "TimeoutError", step, phase: "response" })
              yield* eventually(() => assert.strictEqual(server.pending, 0, "connections left open"))
            }).pipe(gptalk(layer, uninterruptible, { url: server.url }))
          }))
      }
    }
  })

  it.scoped.each(Object.entries(clients))(
    "that hears of answers, over %s, does not keep an interrupted call waiting for the rest of one",
    ([_, layer]) => {
      let answers = 0
      const counting = HttpClient.tap(() => Effect.sync(() => answers++))
      return Effect.gen(function*() {
        const server = yield* FaultServer.make({ faults: { text: faults["stalls in the body"] } })
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.fork(ask)
          yield* eventually(() => assert.strictEqual(answers, 2))
          yield* pause
          yield* Fiber.interruptFork(fiber)
          yield* eventually(() => assert.isNotNull(fiber.unsafePoll()))
        }).pipe(gptalk(layer, counting, { url: server.url }))
      })
    }
  )

  it.effect.each(FaultServer.steps)(
    "that neither can be interrupted nor minds that its request at %s is aborted is left alone in time",
    (step) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(ask))
        yield* TestClock.adjust("1 hour")
        yield* TestClock.adjust("1 hour")
        assert.deepInclude(yield* Fiber.join(fiber), { _tag: "TimeoutError", step, phase: "response" })
      }).pipe(gptalk(MockClient.make({ [step]: () => Effect.uninterruptible(Effect.never) }).layer, identity))
  )

  it.live("that has read each web response leaves the reply", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
    }).pipe(gptalk(MockClient.make().layer, reading)))

  it.effect("that gives each web response a stream of its own is heard", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask, "HI!")
    }).pipe(gptalk(MockClient.make({ stream: () => MockClient.reply("Hi", "Hi!") }).layer, wrapped(shout))))

  it.effect.each<
    readonly [string, (response: HttpClientResponse.HttpClientResponse) => HttpClientResponse.HttpClientResponse]
  >([
    ["below another change of it", (response) => Object.create(wrap(shout)(response)) as typeof response],
    ["in place", (response) => Object.defineProperty(response, "stream", { value: shout(response.stream) })],
    ["in a class of its own", (response) => new Shouting(response) as unknown as typeof response]
  ])("that gives each web response a stream of its own %s is heard", ([_, change]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask, "HI!")
    }).pipe(gptalk(
      MockClient.make({ stream: () => MockClient.reply("Hi", "Hi!") }).layer,
      HttpClient.transformResponse(Effect.map(change))
    )))

  it.effect("whose stream breaks is a connection that broke", () => {
    const breakOff = (response: HttpClientResponse.HttpClientResponse) =>
      wrap(() =>
        Stream.fail(
          new HttpClientError.ResponseError({
            request: response.request,
            response,
            reason: "Decode",
            cause: new Error("socket hang up")
          })
        )
      )(response)
    return Effect.gen(function*() {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "ConnectionError")
      assert.include(error.message, "socket hang up")
    }).pipe(gptalk(MockClient.make().layer, HttpClient.transformResponse(Effect.map(breakOff))))
  })

  it.effect("that fails for another reason than the status has no answer", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { _tag: "ConnectionError", step: "login" })
    }).pipe(gptalk(
      MockClient.make().layer,
      HttpClient.transformResponse(Effect.flatMap((response) =>
        Effect.fail(new HttpClientError.ResponseError({ request: response.request, response, reason: "Decode" }))
      ))
    )))

  it.effect("leaves the settings of fetch that the program has made, except that redirects are never followed", () => {
    const inits: Array<RequestInit | undefined> = []
    const fetch: typeof globalThis.fetch = (_, init) => {
      inits.push(init)
      return Promise.reject(new Error("refused"))
    }
    return Effect.gen(function*() {
      yield* Effect.flip(ask)
      assert.deepStrictEqual(inits.map((init) => [init?.credentials, init?.redirect]), [["include", "manual"]])
    }).pipe(
      gptalk(FetchHttpClient.layer, identity),
      Effect.provideService(FetchHttpClient.Fetch, fetch),
      Effect.provideService(FetchHttpClient.RequestInit, { credentials: "include", redirect: "follow" })
    )
  })

  it.effect("that fails what is not 2xx: the error is the service's, not the connection's", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask), { _tag: "ServiceError", status: 410, detail: "gone" })
    }).pipe(gptalk(
      MockClient.make({ text: () => MockClient.json({ msg: "gone" }, { status: 410 }) }).layer,
      HttpClient.filterStatusOk
    )))

  it.effect("that changes requests changes each of them", () => {
    const client = MockClient.make()
    return Effect.gen(function*() {
      yield* ask
      assert.deepStrictEqual(client.requests.map(({ headers }) => headers["x-tenant"]), ["7", "7", "7"])
    }).pipe(gptalk(client.layer, HttpClient.mapRequest(HttpClientRequest.setHeader("x-tenant", "7"))))
  })

  it.effect("that tries again by itself is left to it", () => {
    const client = MockClient.make({
      text: (received, index) =>
        index < 2 ? new Response(null, { status: 503 }) : MockClient.defaults.text(received, index)
    })
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "Hello!")
      assert.deepStrictEqual([client.count("login"), client.count("text")], [1, 3])
    }).pipe(gptalk(client.layer, HttpClient.retryTransient({ times: 2 })))
  })

  describe("a stream that goes wrong", () => {
    const frame = new TextEncoder().encode(MockClient.frame("Hel"))
    const ends: ReadonlyArray<readonly [string, Bytes]> = [
      ["dies", Stream.die(new Error("oops"))],
      ["is interrupted", Stream.fromEffect(Effect.interrupt)],
      ["throws", Stream.sync(() => JSON.parse("{"))]
    ]

    it.effect.each(ends)("after a frame, one that %s, ends the reply at once", ([_, end]) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(ask), { _tag: "IncompleteReplyError", text: "Hel" })
      }).pipe(gptalk(MockClient.make().layer, wrappedReply(() => Stream.concat(Stream.make(frame), end)))))

    it.effect.each(ends)("before any frame, one that %s, fails the call at once", ([_, end]) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(ask)
        assert.isTrue(Exit.isFailure(exit) && exit.cause._tag === "Fail", String(exit))
        assert.include(["ConnectionError", "IncompleteReplyError"], (yield* Effect.flip(exit))._tag)
      }).pipe(gptalk(MockClient.make().layer, wrappedReply(() => end))))

    it.effect.each(["login", "text", "stream"] as const)(
      "of texts in place of bytes at %s is a typed error",
      (step) =>
        Effect.gen(function*() {
          assert.deepInclude(yield* Effect.flip(ask), { _tag: "ConnectionError", step })
        }).pipe(gptalk(
          MockClient.make({
            [step]: () =>
              ({
                status: 200,
                headers: new Headers(),
                body: new ReadableStream<unknown>({ start: (controller) => controller.enqueue("data: [DONE]\n\n") })
              }) as Response
          }).layer,
          (client) => client
        ))
    )
  })
})
