import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber, Layer, Random, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import type { GPTalkError } from "effect-gptalk/GPTalkError"
import * as MockClient from "./utils/mockClient.js"

/** Runs a call to its end, however much time of the test clock that takes. */
const run = (
  client: MockClient.MockClient,
  options?: GPTalk.Options
): Effect.Effect<Either.Either<string, GPTalkError>> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.either(GPTalk.generateText({ prompt: "Hi" })))
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(Layer.provide(GPTalk.layer(options), client.layer)))

/** Answers with these first, and then as a service should. */
const after = (
  step: MockClient.Step,
  ...answers: ReadonlyArray<() => ReturnType<MockClient.Handler>>
): MockClient.MockClient =>
  MockClient.make({
    [step]: (received: MockClient.Received, index: number) =>
      answers[index]?.() ?? MockClient.defaults[step](received, index)
  })

const status = (status: number, headers: Record<string, string> = {}) => () => new Response(null, { status, headers })

const broken = () => Effect.fail(new Error("connect ECONNREFUSED"))

const never = (): Effect.Effect<Response> => Effect.never

/** A stream that breaks, or ends, or stays silent. */
const source = (end: (source: MockClient.Source) => void) => () => {
  const source = new MockClient.Source()
  end(source)
  return source.response
}

/** How long after its forerunner each request of a step was made. */
const waits = (client: MockClient.MockClient, step: MockClient.Step): ReadonlyArray<number> =>
  client.of(step).slice(1).map(({ at }, index) => at - client.of(step)[index]!.at)

describe("GPTalk retries", () => {
  describe("begins the exchange again after", () => {
    it.effect.each<readonly [string, MockClient.MockClient]>([
      ...[408, 429, 500, 502, 503, 504].flatMap((code) => [
        [`${code} at login`, after("login", status(code))] as const,
        [`${code} at text`, after("text", status(code))] as const,
        [`${code} at stream`, after("stream", status(code))] as const
      ]),
      ["no connection at login", after("login", broken)],
      ["no connection at text", after("text", broken)],
      ["no connection at stream", after("stream", broken)],
      ["no answer at login", after("login", never)],
      ["no answer at text", after("text", never)],
      ["no answer at stream", after("stream", never)],
      ["a stream that breaks before the first delta", after("stream", source((_) => _.break()))],
      ["a stream that ends before the first delta", after("stream", source((_) => _.end()))],
      ["a stream without a body", after("stream", () => new Response(null))],
      ["a stream that stays silent", after("stream", source(() => {}))]
    ])("%s", ([_, client]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(client), Either.right("Hello!"))
      }))
  })

  describe("does not begin again after", () => {
    it.effect.each<readonly [string, MockClient.Step, () => ReturnType<MockClient.Handler>, string]>([
      ["400", "text", status(400), "ServiceError"],
      ["404", "login", status(404), "ServiceError"],
      ["501", "text", status(501), "ServiceError"],
      ["a redirect", "text", status(302, { location: "https://example.com" }), "ServiceError"],
      ["no JSON", "text", () => new Response("hello"), "ProtocolError"],
      ["a frame that carries an error", "stream", source((_) => _.emit("data: {\"error\":\"no\"}\n")), "ServiceError"],
      ["an answer to stream that is JSON", "stream", () => MockClient.json({}), "ProtocolError"]
    ])("%s", ([_, step, answer, tag]) => {
      const client = after(step, answer)
      return Effect.gen(function*() {
        const error = Either.flip(yield* run(client))
        assert.strictEqual(Either.getOrUndefined(error)?._tag, tag)
        assert.strictEqual(client.count(step), 1)
      })
    })

    it.effect.each<readonly [string, (source: MockClient.Source) => void, string]>([
      ["breaks", (_) => _.break(), "IncompleteReplyError"],
      ["ends", (_) => _.end(), "IncompleteReplyError"],
      ["stays silent", () => {}, "TimeoutError"]
    ])("a delta, when the stream %s", ([_, end, tag]) => {
      const client = after("stream", () => {
        const source = new MockClient.Source((self) => {
          if (self.pulls === 1) end(self)
        })
        source.emit(MockClient.frame("Hel"))
        return source.response
      })
      return Effect.gen(function*() {
        const error = Either.flip(yield* run(client))
        assert.strictEqual(Either.getOrUndefined(error)?._tag, tag)
        assert.strictEqual(client.requests.length, 3)
      })
    })
  })

  it.effect("a session stays when the stream fails, and each attempt is a use of its own", () => {
    const client = after("stream", status(503), status(503))
    return Effect.gen(function*() {
      assert.isTrue(Either.isRight(yield* run(client)))
      assert.deepStrictEqual([client.count("login"), client.count("text"), client.count("stream")], [1, 3, 3])
    })
  })

  it.effect("gives up after two retries, with the last error", () => {
    const client = after("text", status(500), status(502), status(503))
    return Effect.gen(function*() {
      const error = Either.flip(yield* run(client))
      assert.deepInclude(Either.getOrUndefined(error), { _tag: "ServiceError", status: 503 })
      assert.strictEqual(client.count("text"), 3)
    })
  })

  it.effect("makes none with retries 0", () => {
    const client = after("text", status(500))
    return Effect.gen(function*() {
      assert.isTrue(Either.isLeft(yield* run(client, { retries: 0 })))
      assert.strictEqual(client.count("text"), 1)
    })
  })

  const longest = [500, 1000, 2000, 4000, 8000, 8000, 8000]

  it.effect("waits half a second, doubling to 8 seconds, each with jitter", () => {
    const client = MockClient.make({ text: status(500) })
    return Effect.gen(function*() {
      yield* run(client, { retries: 7 })
      const actual = waits(client, "text")
      assert.strictEqual(actual.length, longest.length)
      actual.forEach((wait, index) =>
        assert.isTrue(wait <= longest[index]! && wait >= longest[index]! * 0.8, `${wait}`)
      )
      assert.isAbove(new Set(actual.slice(4)).size, 1)
    })
  })

  it.effect.each([[0, 0.8], [0.5, 0.9], [1, 1]] as const)(
    "waits a fifth less at the least: with chance at %s, %s of the longest",
    ([chance, part]) => {
      const client = MockClient.make({ text: status(500) })
      return Effect.gen(function*() {
        yield* run(client, { retries: 7 })
        assert.deepStrictEqual(waits(client, "text"), longest.map((wait) => wait * part))
      }).pipe(Effect.withRandom(Random.fixed([chance])))
    }
  )

  describe("Retry-After", () => {
    it.effect.each<readonly [string, number, string, number]>([
      ["in seconds", 429, "7", 7000],
      ["in parts of a second", 429, "0.5", 500],
      ["of a 503", 503, "7", 7000],
      ["of a 500", 500, "7", 7000],
      ["of exactly 60 seconds", 429, "60", 60_000],
      ["of two headers", 429, "7, 9", 7000],
      ["of two dates", 429, "Thu, 01 Jan 1970 00:00:09 GMT, Thu, 01 Jan 1970 00:00:30 GMT", 9000],
      ["of zero", 429, "0", 0],
      ["as a date", 429, "Thu, 01 Jan 1970 00:00:09 GMT", 9000],
      ["as a date of the old form", 429, "Thursday, 01-Jan-70 00:00:09 GMT", 9000],
      ["of two dates in lower case", 429, "thu, 01 jan 1970 00:00:09 gmt, thu, 01 jan 1970 00:00:30 gmt", 9000],
      ["as a date that is past", 429, "Wed, 31 Dec 1969 23:59:00 GMT", 0]
    ])("%s takes the place of the backoff", ([_, code, value, expected]) => {
      const client = after("text", status(code, { "retry-after": value }))
      return Effect.gen(function*() {
        assert.isTrue(Either.isRight(yield* run(client)))
        assert.deepStrictEqual(waits(client, "text"), [expected])
      })
    })

    it.effect("as a date counts from now", () => {
      const client = after("text", status(429, { "retry-after": "Thu, 01 Jan 1970 01:00:09 GMT" }))
      return Effect.gen(function*() {
        yield* TestClock.adjust("1 hour")
        assert.isTrue(Either.isRight(yield* run(client)))
        assert.deepStrictEqual(waits(client, "text"), [9000])
      })
    })

    it.scoped("as a date that names no zone means the one of the others, wherever the machine is", () => {
      const client = after("text", status(429, { "retry-after": "Thu Jan  1 00:00:09 1970" }))
      const { TZ: before } = process.env
      const setZone = (zone: string | undefined) =>
        Effect.sync(() => {
          if (zone === undefined) delete process.env["TZ"]
          else process.env["TZ"] = zone
        })
      return Effect.gen(function*() {
        yield* Effect.acquireRelease(setZone("America/New_York"), () => setZone(before))
        assert.isTrue(Either.isRight(yield* run(client)))
        assert.deepStrictEqual(waits(client, "text"), [9000])
      })
    })

    it.effect.each(["soon", "soon 5", "-1", "5 s", "5;7"])("that cannot be read leaves the backoff: %s", (value) => {
      const client = after("text", status(429, { "retry-after": value }))
      return Effect.gen(function*() {
        assert.isTrue(Either.isRight(yield* run(client)))
        const [wait] = waits(client, "text")
        assert.isTrue(wait! > 0 && wait! <= 500)
      })
    })

    it.effect("of more than 60 seconds fails the call at once", () => {
      const client = after("text", status(429, { "retry-after": "61" }))
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(GPTalk.generateText({ prompt: "Hi" })))
        yield* TestClock.adjust(0)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "RateLimitError")
      }).pipe(Effect.provide(Layer.provide(GPTalk.layer(), client.layer)))
    })

    it.effect("of a login counts too", () => {
      const client = after("login", status(503, { "retry-after": "3" }))
      return Effect.gen(function*() {
        assert.isTrue(Either.isRight(yield* run(client)))
        assert.deepStrictEqual(waits(client, "login"), [3000])
      })
    })
  })

  it.effect("interruption while waiting to begin again ends the call", () => {
    const client = MockClient.make({ text: status(500) })
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(Stream.runDrain(GPTalk.streamText({ prompt: "Hi" })))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(client.count("text"), 1)
    }).pipe(Effect.provide(Layer.provide(GPTalk.layer(), client.layer)))
  })

  it.effect.each(["text", "stream"] as const)(
    "interruption while a client takes its time to let go of %s aborts the request all the same",
    (step) => {
      const slow = () => Effect.onInterrupt(Effect.never, () => Effect.sleep("10 seconds"))
      const client = MockClient.make({ [step]: slow })
      return Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.exit(GPTalk.generateText({ prompt: "Hi" })))
        yield* TestClock.adjust("35 seconds")
        const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(interrupting)
        assert.deepStrictEqual(client.of(step).map(({ signal }) => signal.aborted), [true])
      }).pipe(Effect.provide(Layer.provide(GPTalk.layer(), client.layer)))
    }
  )
})
