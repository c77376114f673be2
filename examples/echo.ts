/**
 * The echo of those who have no model yet. A conversation is one text, and all of it in each reply would soon fill the
 * screen, so this repeats only what the user said last.
 */
import * as Responder from "effect-gptalk/Responder"

const lastQuestion = (prompt: string): string => /^(?:[^]*\n)?User: ([^]*)\nAssistant:$/.exec(prompt)?.[1] ?? prompt

export const layer = Responder.layer(
  Responder.make((request) => Responder.echo.respond({ ...request, prompt: lastQuestion(request.prompt) }))
)
