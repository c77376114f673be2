/**
 * A conversation on a terminal: what was said goes along with each question.
 */
import { Console, Effect, Option } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import type { Message } from "effect-gptalk/Message"
import { recent, type Turn } from "./memory.js"
import type { OutputError } from "./output.js"
import { writeReply } from "./output.js"
import { dim, error } from "./style.js"
import * as Terminal from "./terminal.js"

const toMessages = (turns: ReadonlyArray<Turn>, question: string): ReadonlyArray<Message> => [
  ...turns.flatMap((turn) => [
    { role: "user", content: turn.question },
    { role: "assistant", content: turn.reply }
  ]),
  { role: "user", content: question }
]

/**
 * Asks, and gives the turn that came of it. A failed one is none. One that was stopped holds what had arrived, since
 * that is what the user saw; with nothing it is none.
 */
const takeTurn = (
  terminal: Terminal.Terminal,
  turns: ReadonlyArray<Turn>,
  question: string
): Effect.Effect<Option.Option<Turn>, OutputError, GPTalk.GPTalk> =>
  Effect.suspend(() => {
    let reply = ""
    const turn = Effect.sync(() => Option.some({ question, reply }))
    return GPTalk.streamText({ messages: toMessages(turns, question) }).pipe(
      (deltas) => writeReply(deltas, (delta) => reply += delta),
      terminal.untilStopped,
      Effect.flatMap((end) => Option.isSome(end) ? turn : Effect.zipRight(Console.error(dim("(stopped)")), turn)),
      Effect.map(Option.filter((turn) => turn.reply !== "")),
      Effect.catchAll((failure) =>
        failure._tag === "OutputError"
          ? Effect.fail(failure)
          : Effect.as(Console.error(error(failure.message)), Option.none())
      )
    )
  })

/** Goes on until the user leaves. */
export const converse: Effect.Effect<void, OutputError, GPTalk.GPTalk> = Effect.scoped(Effect.gen(function*() {
  const terminal = yield* Terminal.make
  yield* Console.error(dim("Ctrl-C stops a reply; Ctrl-D quits."))
  let turns: ReadonlyArray<Turn> = []
  while (true) {
    const line = yield* terminal.ask
    if (Option.isNone(line)) return
    if (line.value.trim() === "") continue
    const turn = yield* takeTurn(terminal, turns, line.value)
    turns = recent([...turns, ...Option.toArray(turn)])
  }
}))
