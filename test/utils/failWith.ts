/**
 * How a call fails that is not tried again, and all that can be seen of its error.
 */
import { Cause, Effect } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as MockClient from "./mockClient.js"

export const provide = (client: MockClient.MockClient, options?: GPTalk.Options) =>
  MockClient.provide(client, { retries: 0, ...options })

export const prompt = "a prompt that nobody must see"

export const ask = GPTalk.generateText({ prompt, systemPrompt: "a system prompt that nobody must see" })

/** How a call fails when a step is answered so. */
export const failWith = (step: MockClient.Step, answer: MockClient.Handler, options?: GPTalk.Options) =>
  Effect.flip(ask).pipe(provide(MockClient.make({ [step]: answer }), options))

export const always = (response: () => Response): MockClient.Handler => () => response()

/** Everything that can be seen of an error. */
export const visible = (error: unknown): string =>
  [JSON.stringify(error), String(error), Cause.pretty(Cause.fail(error)), (error as Error).stack].join("\n")
