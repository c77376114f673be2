import { assert, describe, it } from "@effect/vitest"
import { SpanKind } from "@opentelemetry/api"
import { Effect, Fiber, Schedule, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import * as MockClient from "./utils/mockClient.js"
import { millisAfterStart, statusOf } from "./utils/openTelemetry.js"
import { busy, drain, failures, generate, inTime, stream, told, toldBy } from "./utils/told.js"

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
