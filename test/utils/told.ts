/**
 * What calls of GPTalk tell OpenTelemetry, and every way in which one of them may fail.
 */
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"
import type * as MockClient from "./mockClient.js"
import { record } from "./openTelemetry.js"

export const generate = GPTalk.generateText({ prompt: "the-prompt" })
export const stream = GPTalk.streamText({ prompt: "the-prompt" })
export const drain = Stream.runDrain(stream)

const replies = () => ["the-", "reply"]

export interface Options extends GPTalkTest.Options {
  readonly gptalk?: GPTalk.Options
}

/** Against the package's own server, in memory. */
export const told = <A, E>(program: Effect.Effect<A, E, GPTalk.GPTalk>, { gptalk, ...options }: Options = {}) =>
  record(Effect.provide(
    program,
    Layer.provide(GPTalk.layer({ retries: 0, ...gptalk }), GPTalkTest.layerHttpClient({ replies, ...options }))
  ))

/** Against answers of the test's own making. */
export const toldBy = <A, E>(client: MockClient.MockClient, program: Effect.Effect<A, E, GPTalk.GPTalk>) =>
  record(Effect.provide(program, Layer.provide(GPTalk.layer(), client.layer)))

/** Runs in a fiber of its own while a minute and a half go by, and ends as it does. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* Effect.repeatN(TestClock.adjust("30 seconds"), 2)
    return yield* Fiber.join(fiber)
  })

export const busy = GPTalkTest.answer(503, { headers: { "retry-after": "0" } })

/** Each way to fail, by the tag of its error. */
export const failures: ReadonlyArray<readonly [string, Options, Effect.Effect<unknown, unknown, GPTalk.GPTalk>]> = [
  ["AuthenticationError", { faults: { login: GPTalkTest.answer(401) } }, generate],
  ["RateLimitError", { faults: { text: GPTalkTest.answer(429) } }, generate],
  ["ServiceError", { faults: { text: GPTalkTest.answer(400, { body: { msg: "no: the-prompt" } }) } }, generate],
  ["ConnectionError", { faults: { login: GPTalkTest.refuse } }, generate],
  ["TimeoutError", { faults: { stream: GPTalkTest.stall() } }, generate],
  ["ProtocolError", { faults: { text: GPTalkTest.answer(200, { body: { data: "the-prompt" } }) } }, generate],
  ["IncompleteReplyError", { faults: { stream: GPTalkTest.cutOff({ after: 2 }) } }, generate],
  ["InvalidRequestError", {}, GPTalk.generateText({ prompt: "the-prompt", model: "" })]
]
