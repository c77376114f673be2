import { Effect, Queue } from "effect"
import { runOnTerminal } from "./Child.js"
import { serve } from "./examples.js"

export interface Setting {
  /** Of the program's output, in the shell's words. */
  readonly redirection?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A conversation on a terminal that waits for its first question. `asked` is what its service is asked. */
export const conversation = (file: (name: string) => string) => ({ env, redirection }: Setting = {}) =>
  Effect.gen(function*() {
    const asked = yield* Queue.unbounded<string>()
    const { streamSockets, url } = yield* serve(asked)
    const chat = yield* runOnTerminal(file("chat"), { env: { GPTALK_URL: url, ...env } }, redirection)
    yield* chat.see(/› /)
    return { ...chat, asked, streamSockets }
  })
