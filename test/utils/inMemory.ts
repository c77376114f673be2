/**
 * A program of a user's against the service in memory.
 */
import { Effect, Layer } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkTest from "effect-gptalk/GPTalkTest"

export const program = GPTalk.generateText({ prompt: "Say hi" })

export const layer = (options?: GPTalkTest.Options, client: GPTalk.Options = { retries: 0 }) =>
  GPTalk.layer({ url: "http://gptalk.test", ...client }).pipe(Layer.provideMerge(GPTalkTest.layerHttpClient(options)))

export const failure = (options: GPTalkTest.Options) => Effect.flip(program).pipe(Effect.provide(layer(options)))

export const steps = Effect.map(GPTalkTest.requests, (requests) => requests.map(({ step }) => step))
