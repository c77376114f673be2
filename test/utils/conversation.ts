import { Effect, type Queue } from "effect"
import { runOnTerminal } from "./Child.js"
import { serve } from "./examples.js"

export interface Setting {
  /** Gets what the service is asked. */
  readonly asked?: Queue.Enqueue<string>
  /** Of the program's output, in the shell's words. */
  readonly redirection?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A conversation on a terminal that waits for its first question. */
export const conversation = (file: (name: string) => string) => ({ asked, env, redirection }: Setting = {}) =>
  Effect.gen(function*() {
    const { streamSockets, url } = yield* serve(asked)
    const chat = yield* runOnTerminal(file("chat"), { env: { GPTALK_URL: url, ...env } }, redirection)
    yield* chat.see(/› /)
    return { ...chat, streamSockets }
  })
