/**
 * How a call fails that is not tried again, and all that can be seen of its error.
 */
import { Cause, Effect } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import { inspect } from "node:util"
import * as MockClient from "./mockClient.js"

export const prompt = "a prompt that nobody must see"

export const ask = GPTalk.generateText({ prompt, systemPrompt: "a system prompt that nobody must see" })

/** How a call fails when a step is answered so. */
export const failWith = (step: MockClient.Step, answer: MockClient.Handler, options?: GPTalk.Options) =>
  Effect.flip(ask).pipe(MockClient.provideOnce(MockClient.make({ [step]: answer }), options))

export const always = (response: () => Response): MockClient.Handler => () => response()

/** Everything that can be seen of an error. */
export const visible = (error: unknown): string =>
  [JSON.stringify(error), String(error), Cause.pretty(Cause.fail(error)), inspect(error, { depth: 20 })].join("\n")
