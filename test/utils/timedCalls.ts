/**
 * A call that is not tried again, and what has become of it by a time.
 */
import { Duration, Effect, Fiber, Option } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./mockClient.js"

export const ask = GPTalk.generateText({ prompt: "Hi" })

/** How the call failed, if it is over. */
export const failure = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<object, A> =>
  Effect.flatMap(Fiber.poll(fiber), (exit) =>
    Option.isNone(exit)
      ? Effect.succeed({ _tag: "still running" })
      : Effect.map(Effect.flip(Fiber.join(fiber)), Object))

export const isRunning = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<boolean> =>
  Effect.map(Fiber.poll(fiber), Option.isNone)

export const timeout = (
  phase: "response" | "firstDelta" | "idle",
  step: MockClient.Step,
  after: Duration.DurationInput
) => ({
  _tag: "TimeoutError",
  phase,
  step,
  after: Duration.decode(after)
})

/** A stream whose frames are written by the test. */
export const withSource = (options?: GPTalk.Options) => {
  const source = new MockClient.Source()
  const client = MockClient.make({ stream: () => source.response })
  return { source, provide: MockClient.provideOnce(client, options) }
}
