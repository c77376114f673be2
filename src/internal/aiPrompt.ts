/**
 * Turns a request of `@effect/ai` into messages of this protocol, which carries text only.
 */
import type * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Prompt from "@effect/ai/Prompt"
import * as Tool from "@effect/ai/Tool"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import type { Message } from "../Message.js"

type Part = Exclude<Prompt.Message, { readonly role: "system" }>["content"][number]

/** The text of a part; none for reasoning, which is not part of the conversation. */
const partText = (part: Part): Either.Either<ReadonlyArray<string>, string> => {
  switch (part.type) {
    case "text":
      return Either.right([part.text])
    case "reasoning":
      return Either.right([])
    case "file":
      return Either.left("The GPTalk protocol carries text only: the prompt has a file part")
    case "tool-call":
    case "tool-result":
      return Either.left(`The GPTalk protocol supports no tools: the prompt has a ${part.type} part`)
  }
}

/** None for a message without text, such as one that holds reasoning only. */
const messageOf = (message: Prompt.Message): Either.Either<ReadonlyArray<Message>, string> =>
  message.role === "system"
    ? Either.right([{ role: "system", content: message.content }])
    : Either.map(
      Either.all(message.content.map(partText)),
      (texts) => texts.flat().length === 0 ? [] : [{ role: message.role, content: texts.flat().join("\n") }]
    )

/** Effect's message takes several lines to name the field. */
const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ")

const jsonInstruction = (objectName: string, schema: Schema.Schema.Any): Either.Either<Message, string> =>
  Either.try({
    try: () => ({
      role: "system",
      content:
        `Answer with one JSON object and nothing else: no code fence and no text around it. It must match this ` +
        `JSON Schema, which is called ${JSON.stringify(objectName)}:\n${
          JSON.stringify(Tool.getJsonSchemaFromSchemaAst(schema.ast))
        }`
    }),
    catch: (error) => `The schema of the object cannot be written as a JSON Schema: ${reasonOf(error)}`
  })

/**
 * The messages to send, or what the protocol cannot carry. A last system message describes the object to generate.
 *
 * @internal
 */
export const toMessages = (
  { prompt, responseFormat, toolChoice, tools }: LanguageModel.ProviderOptions
): Either.Either<ReadonlyArray<Message>, string> =>
  Either.gen(function*() {
    if (tools.length > 0 && toolChoice !== "none") {
      return yield* Either.left(
        `The GPTalk protocol supports no tools: the toolkit has ${tools.map((tool) => tool.name).join(", ")}`
      )
    }
    const messages = (yield* Either.all(prompt.content.map(messageOf))).flat()
    if (messages.length === 0) {
      return yield* Either.left("The prompt has no text")
    }
    return responseFormat.type === "json"
      ? [...messages, yield* jsonInstruction(responseFormat.objectName, responseFormat.schema)]
      : messages
  })
