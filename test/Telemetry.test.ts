import { assert, describe, it } from "@effect/vitest"
import { SpanKind } from "@opentelemetry/api"
import { Effect, Fiber, Layer, Metric, MetricKeyType, Schedule, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import * as MockClient from "./utils/mockClient.js"
import { millisAfterStart, record, statusOf } from "./utils/openTelemetry.js"

const generate = GPTalk.generateText({ prompt: "the-prompt" })
const stream = GPTalk.streamText({ prompt: "the-prompt" })
const drain = Stream.runDrain(stream)

const replies = () => ["the-", "reply"]

interface Options extends GPTalkTest.Options {
  readonly gptalk?: GPTalk.Options
}

/** Against the package's own server, in memory. */
const told = <A, E>(program: Effect.Effect<A, E, GPTalk.GPTalk>, { gptalk, ...options }: Options = {}) =>
  record(Effect.provide(
    program,
    Layer.provide(GPTalk.layer({ retries: 0, ...gptalk }), GPTalkTest.layerHttpClient({ replies, ...options }))
  ))

/** Against answers of the test's own making. */
const toldBy = <A, E>(client: MockClient.MockClient, program: Effect.Effect<A, E, GPTalk.GPTalk>) =>
  record(Effect.provide(program, Layer.provide(GPTalk.layer(), client.layer)))

/** Runs on while a minute and a half go by. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* Effect.repeatN(TestClock.adjust("30 seconds"), 2)
    return yield* Fiber.join(fiber)
  })

const busy = GPTalkTest.answer(503, { headers: { "retry-after": "0" } })

/** Each way to fail, by the tag of its error. */
const failures: ReadonlyArray<readonly [string, Options, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]> = [
  ["AuthenticationError", { faults: { login: GPTalkTest.answer(401) } }, generate],
  ["RateLimitError", { faults: { text: GPTalkTest.answer(429) } }, generate],
  ["ServiceError", { faults: { text: GPTalkTest.answer(400, { body: { msg: "no: the-prompt" } }) } }, generate],
  ["ConnectionError", { faults: { login: GPTalkTest.refuse } }, generate],
  ["TimeoutError", { faults: { stream: GPTalkTest.stall() } }, generate],
  ["ProtocolError", { faults: { text: GPTalkTest.answer(200, { body: { data: "the-prompt" } }) } }, generate],
  ["IncompleteReplyError", { faults: { stream: GPTalkTest.cutOff({ after: 2 }) } }, generate],
  ["InvalidRequestError", {}, GPTalk.generateText({ prompt: "the-prompt", model: "" })]
]

describe("spans, told to OpenTelemetry", () => {
  it.effect.each([["GPTalk.generateText", generate], ["GPTalk.streamText", drain]] as const)(
    "%s is the parent of login, text and stream",
    ([name, program]) =>
      Effect.gen(function*() {
        const { spans } = yield* told<unknown, unknown>(program)
        const call = spans.find((span) => span.name === name)!
        assert.deepStrictEqual(
          spans.filter((span) => span.parentSpanContext?.spanId === call.spanContext().spanId).map(({ name }) => name),
          ["GPTalk.login", "GPTalk.text", "GPTalk.stream"]
        )
        assert.strictEqual(spans.length, 4)
        assert.strictEqual(new Set(spans.map((span) => span.spanContext().traceId)).size, 1)
        assert.isUndefined(call.parentSpanContext)
      })
  )

  it.effect("a call belongs to the span that it is made in", () =>
    Effect.gen(function*() {
      const { span } = yield* told(Effect.withSpan(generate, "caller"))
      assert.strictEqual(
        span("GPTalk.generateText").parentSpanContext?.spanId,
        span("caller").spanContext().spanId
      )
    }))

  it.effect("a call says what was asked for and how it ended, and its children nothing", () =>
    Effect.gen(function*() {
      const { spans } = yield* told(generate)
      assert.deepStrictEqual(spans.map(({ attributes, name }) => [name, attributes]), [
        ["GPTalk.generateText", {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "gptalk",
          "gen_ai.system": "gptalk",
          "gen_ai.request.model": "gpt-3.5-turbo",
          "gen_ai.request.temperature": 0,
          // The bridge makes text of what is an array.
          "gen_ai.response.finish_reasons": JSON.stringify(["stop"], null, 2)
        }],
        ["GPTalk.login", {}],
        ["GPTalk.text", {}],
        ["GPTalk.stream", {}]
      ])
    }))

  it.effect("model and temperature are the request's before the layer's", () =>
    Effect.gen(function*() {
      const asked = GPTalk.generateText({ prompt: "Hi", model: "asked", temperature: 0.5 })
      const { spans } = yield* told(Effect.zip(asked, generate), { gptalk: { model: "given" } })
      assert.deepStrictEqual(
        spans.filter(({ name }) => name === "GPTalk.generateText").map(({ attributes }) => [
          attributes["gen_ai.request.model"],
          attributes["gen_ai.request.temperature"]
        ]),
        [["asked", 0.5], ["given", 0]]
      )
    }))

  it.effect("all are of the kind that asks a service, and end well", () =>
    Effect.gen(function*() {
      const { spans } = yield* told(drain)
      assert.deepStrictEqual(
        spans.map((span) => [SpanKind[span.kind], statusOf(span)]),
        Array(4).fill(["CLIENT", "OK"])
      )
    }))

  it.effect("the first delta is an event, and no other is", () =>
    Effect.gen(function*() {
      const slowly = () => Stream.schedule(Stream.make("one", "two", "three"), Schedule.spaced("2 seconds"))
      const { span, spans } = yield* told(inTime(drain), { replies: slowly })
      assert.deepStrictEqual(
        spans.flatMap(({ events, name }) => events.map((event) => [name, event.name])),
        [["GPTalk.streamText", "gen_ai.first_delta"]]
      )
      const call = span("GPTalk.streamText")
      assert.strictEqual(millisAfterStart(call, call.events[0]!.time), 2000)
    }))

  it.effect("a reply without a delta has no such event", () =>
    Effect.gen(function*() {
      const { span } = yield* told(drain, { replies: () => [] })
      assert.deepStrictEqual(span("GPTalk.streamText").events, [])
      assert.property(span("GPTalk.streamText").attributes, "gen_ai.response.finish_reasons")
    }))

  it.effect.each(failures)("%s: the call fails, with its type", ([tag, options, program]) =>
    Effect.gen(function*() {
      const { exit, spans } = yield* told(inTime(program), options)
      const [call] = spans
      assert.strictEqual(exit._tag, "Failure")
      assert.deepStrictEqual([statusOf(call!), call!.attributes["error.type"]], ["ERROR", tag])
      assert.strictEqual(call!.attributes["gen_ai.operation.name"], "chat")
      assert.notProperty(call!.attributes, "gen_ai.response.finish_reasons")
      assert.isNotEmpty(call!.status.message)
    }))

  it.effect("a failure marks the step that it happened in", () =>
    Effect.gen(function*() {
      const { spans } = yield* told(drain, { faults: { stream: GPTalkTest.answer(400) } })
      assert.deepStrictEqual(spans.map((span) => [span.name, statusOf(span)]), [
        ["GPTalk.streamText", "ERROR"],
        ["GPTalk.login", "OK"],
        ["GPTalk.text", "OK"],
        ["GPTalk.stream", "ERROR"]
      ])
    }))

  it.effect("an attempt that failed is marked where the call went well after all", () =>
    Effect.gen(function*() {
      const { spans } = yield* told(drain, { faults: { text: [busy] }, gptalk: { retries: 1 } })
      assert.deepStrictEqual(spans.map((span) => [span.name, statusOf(span)]), [
        ["GPTalk.streamText", "OK"],
        ["GPTalk.login", "OK"],
        ["GPTalk.text", "ERROR"],
        ["GPTalk.text", "OK"],
        ["GPTalk.stream", "OK"]
      ])
      assert.notProperty(spans[0]!.attributes, "error.type")
    }))

  const endless = () => Stream.concat(Stream.make("the-reply"), Stream.never)

  it.effect.each(
    [
      ["stops early", Stream.runDrain(Stream.take(stream, 1))],
      ["fails", Stream.runForEach(stream, (delta) => Effect.fail({ _tag: "Mine", message: delta }))],
      [
        "fails while it does something else",
        Stream.runForEach(
          stream,
          (delta) =>
            Effect.all([Effect.fail({ _tag: "Mine", message: delta }), Effect.never], { concurrency: "unbounded" })
        )
      ],
      ["throws", Stream.runDrain(Stream.map(stream, (delta) => JSON.parse(delta)))]
    ] as const
  )(
    "a consumer that %s is no error of the call, and leaves nothing in its spans",
    ([_, program]) =>
      Effect.gen(function*() {
        const { printed, span, spans } = yield* told(Effect.exit(program), { replies: endless })
        assert.deepStrictEqual(spans.map(statusOf), Array(4).fill("OK"))
        assert.notProperty(span("GPTalk.streamText").attributes, "error.type")
        assert.notProperty(span("GPTalk.streamText").attributes, "gen_ai.response.finish_reasons")
        assert.notInclude(printed, "the-reply")
      })
  )

  it.effect("an interrupted call is no error either", () =>
    Effect.gen(function*() {
      const interrupted = Effect.gen(function*() {
        const fiber = yield* Effect.fork(generate)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const { span, spans } = yield* told(interrupted, { replies: endless })
      assert.deepStrictEqual(spans.map(statusOf), Array(4).fill("OK"))
      assert.notProperty(span("GPTalk.generateText").attributes, "error.type")
      assert.strictEqual(span("GPTalk.generateText").attributes["status.interrupted"], true)
    }))

  it.effect("a defect below is an error of the call", () =>
    Effect.gen(function*() {
      const client = MockClient.make({ text: () => Effect.die("oops") })
      const { metric, spans: [call] } = yield* toldBy(client, Effect.exit(drain))
      assert.deepStrictEqual([statusOf(call!), call!.attributes["error.type"]], ["ERROR", "defect"])
      assert.deepStrictEqual(metric("gptalk_replies"), { defect: 1 })
    }))
})

describe("metrics, told to OpenTelemetry", () => {
  it.effect("replies by outcome, and their deltas", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.all([generate, drain, generate]))
      assert.deepStrictEqual(metric("gptalk_replies"), { complete: 3 })
      assert.deepStrictEqual(metric("gptalk_deltas"), { "": 6 })
    }))

  it.effect.each(failures)("%s is an outcome", ([tag, options, program]) =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(inTime(program)), options)
      assert.deepStrictEqual(metric("gptalk_replies"), { [tag]: 1 })
    }))

  it.effect("stopped and interrupted are outcomes", () =>
    Effect.gen(function*() {
      const calls = Effect.gen(function*() {
        yield* Stream.runDrain(Stream.take(stream, 1))
        yield* Effect.exit(Stream.runForEach(stream, () => Effect.fail({ _tag: "Mine" })))
        const fiber = yield* Effect.fork(drain)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      })
      const { metric } = yield* told(calls, { replies: () => Stream.concat(Stream.make("Hi"), Stream.never) })
      assert.deepStrictEqual(metric("gptalk_replies"), { stopped: 2, interrupted: 1 })
      assert.deepStrictEqual(metric("gptalk_deltas"), { "": 3 })
    }))

  it.effect("seconds to the first delta", () =>
    Effect.gen(function*() {
      const slowly = () => Stream.schedule(Stream.make("one", "two"), Schedule.spaced("2 seconds"))
      const { metric } = yield* told(inTime(Effect.all([drain, generate])), { replies: slowly })
      assert.deepInclude(metric("gptalk_first_delta_seconds")[""], { count: 2, sum: 4, min: 2, max: 2 })
    }))

  it.effect("seconds to the first delta are the same with the tracer off", () =>
    Effect.gen(function*() {
      const slowly = () => Stream.schedule(Stream.make("one", "two"), Schedule.spaced("2 seconds"))
      const { metric } = yield* told(Effect.withTracerEnabled(inTime(drain), false), { replies: slowly })
      assert.deepInclude(metric("gptalk_first_delta_seconds")[""], { count: 1, sum: 2, max: 2 })
    }))

  it.effect.each([[1, "stopped"], [2, "stopped"], [3, "stopped"], [4, "complete"]] as const)(
    "a consumer that takes %s of three deltas and no more: %s",
    ([count, outcome]) =>
      Effect.gen(function*() {
        const { metric } = yield* told(Stream.runDrain(Stream.take(stream, count)), { replies: () => ["a", "b", "c"] })
        assert.deepStrictEqual(metric("gptalk_replies"), { [outcome]: 1 })
      })
  )

  it.effect("a consumer that takes one of three deltas that came at once has stopped", () =>
    Effect.gen(function*() {
      const client = MockClient.make()
      const { metric } = yield* toldBy(client, Stream.runDrain(Stream.take(stream, 1)))
      assert.deepStrictEqual(metric("gptalk_replies"), { stopped: 1 })
    }))

  it.effect("a call without a delta counts for no such time", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(drain), { faults: { stream: GPTalkTest.end() } })
      assert.deepStrictEqual(metric("gptalk_first_delta_seconds"), {})
    }))

  it.effect("logins by reason, and the uses of their sessions", () =>
    Effect.gen(function*() {
      const calls = Effect.gen(function*() {
        yield* Effect.replicateEffect(generate, 3)
        yield* TestClock.adjust("2 hours")
        yield* generate
      })
      const { metric } = yield* told(calls, {
        gptalk: { usageLimit: 2 },
        faults: { text: [undefined, undefined, GPTalkTest.revoke] }
      })
      assert.deepStrictEqual(metric("gptalk_logins"), { absent: 1, used_up: 1, refused: 1, expired: 1 })
      assert.deepStrictEqual(metric("gptalk_session_uses"), { "": 4 })
    }))

  it.effect("counters are of the kind that only goes up", () =>
    Effect.gen(function*() {
      yield* told(inTime(generate), { faults: { text: [busy] }, gptalk: { retries: 1 } })
      const names = (yield* Metric.snapshot).flatMap(({ metricKey: { keyType, name } }) =>
        name.startsWith("gptalk_") && MetricKeyType.isCounterKey(keyType) && keyType.incremental ? name : []
      )
      assert.sameMembers(Array.from(new Set(names)), [
        "gptalk_replies",
        "gptalk_deltas",
        "gptalk_retries",
        "gptalk_logins",
        "gptalk_session_uses"
      ])
    }))

  it.effect("a use that is given back is none", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(Effect.exit(generate), { faults: { text: GPTalkTest.answer(400) } })
      assert.deepStrictEqual(metric("gptalk_session_uses"), {})
    }))

  it.effect("retries by the error that led to them", () =>
    Effect.gen(function*() {
      const { metric } = yield* told(inTime(Effect.exit(generate)), {
        faults: { text: [busy, GPTalkTest.answer(429), GPTalkTest.refuse] },
        gptalk: { retries: 2 }
      })
      assert.deepStrictEqual(metric("gptalk_retries"), { ServiceError: 1, RateLimitError: 1 })
      assert.deepStrictEqual(metric("gptalk_replies"), { ConnectionError: 1 })
    }))
})

describe("what is told", () => {
  const client = () =>
    MockClient.make({
      login: () => MockClient.json({ data: { token: "the-session", expires_at: 4e9 } }),
      text: () => MockClient.json({ data: { token: "the-ticket" } }),
      stream: () => MockClient.reply("the-reply")
    })

  const secrets = /the-prompt|the-system|the-reply|the-session|the-ticket/

  it.effect("holds no prompt, no reply and no token", () =>
    Effect.gen(function*() {
      const { printed } = yield* toldBy(
        client(),
        Effect.all([generate, drain, GPTalk.generateText({ prompt: "the-prompt", systemPrompt: "the-system" })])
      )
      assert.include(printed, "GPTalk.generateText")
      assert.include(printed, "gptalk_deltas")
      assert.notMatch(printed, secrets)
    }))

  it.effect.each(failures)("holds none with %s", ([tag, options, program]) =>
    Effect.gen(function*() {
      const { printed } = yield* told(Effect.exit(inTime(program)), options)
      assert.include(printed, tag)
      assert.notMatch(printed, secrets)
    }))

  it.effect("holds none where a reply breaks off", () =>
    Effect.gen(function*() {
      const broken = MockClient.make({ stream: () => MockClient.eventStream(MockClient.frame("the-reply")) })
      const { exit, printed } = yield* toldBy(broken, drain)
      assert.strictEqual(exit._tag, "Failure")
      assert.include(printed, "IncompleteReplyError")
      assert.notMatch(printed, secrets)
    }))
})
