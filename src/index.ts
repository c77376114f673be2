/**
 * The core: the client, its session, its errors, and the protocol they speak.
 *
 * @since 0.1.0
 */
export * as Auth from "./Auth.js"
export * as GPTalk from "./GPTalk.js"
export * as GPTalkError from "./GPTalkError.js"
export * as Message from "./Message.js"
export * as Protocol from "./Protocol.js"
