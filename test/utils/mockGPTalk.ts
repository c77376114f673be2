import type { GPTalkError } from "effect-gptalk"
import { GPTalk } from "effect-gptalk"
import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

type Reply = (request: GPTalk.Request, index: number) => Stream.Stream<string, GPTalkError.GPTalkError>

/** A GPTalk that notes what it is asked. */
export const mock = (reply: Reply, model?: string) => {
  const requests: Array<GPTalk.Request> = []
  const streamText = (request: GPTalk.Request) => Stream.suspend(() => reply(request, requests.push(request) - 1))
  const layer = Layer.succeed(GPTalk.GPTalk, {
    streamText,
    generateText: (request) => Stream.mkString(streamText(request)),
    model
  })
  return { requests, layer, model: Layer.provide(GPTalkLanguageModel.layer(), layer) }
}

export const says = (...deltas: ReadonlyArray<string>) => mock(() => Stream.fromIterable(deltas), "gpt-3.5-turbo")

export const fails = (error: GPTalkError.GPTalkError) => mock(() => Stream.fail(error))
