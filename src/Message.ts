/**
 * Chat messages, and their conversion to the one text that the protocol sends as the prompt.
 *
 * @since 0.1.0
 */

import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Schema from "effect/Schema"

/**
 * One message of a conversation. `role` is any non-empty string; `content` any string.
 *
 * @since 0.1.0
 * @category models
 */
export const Message = Schema.Struct({
  role: Schema.NonEmptyString,
  content: Schema.String
}).annotations({ identifier: "GPTalkMessage", description: "a message with role and content" })

/**
 * @since 0.1.0
 * @category models
 */
export interface Message extends Schema.Schema.Type<typeof Message> {}

const capitalize = (role: string): string => {
  const [first = ""] = role
  return first.toUpperCase() + role.slice(first.length).toLowerCase()
}

/**
 * The prompt that is sent: the content of a single message as it is; several messages as `Role: content`, each on a
 * line of its own and the role with only its first letter in upper case, and `Assistant:` as the last line.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * import * as Message from "effect-gptalk/Message"
 *
 * Message.toPrompt([{ role: "user", content: "Hi" }]) // "Hi"
 * Message.toPrompt([{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }])
 * // "System: Be brief.\nUser: Hi\nAssistant:"
 */
export const toPrompt = (messages: NonEmptyReadonlyArray<Message>): string =>
  messages.length === 1
    ? messages[0].content
    : messages.map((message) => `${capitalize(message.role)}: ${message.content}\n`).join("") + "Assistant:"
