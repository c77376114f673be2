/**
 * The GPTalk wire protocol: paths, headers and the schemas of all bodies, for client and server alike.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

/**
 * The default URL of a client: that of the public service, which stopped working in March 2024.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultUrl = "https://gptalk.net"

/**
 * The model of a request when neither it nor the layer names one.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultModel = "gpt-3.5-turbo"

/**
 * How many replies one login is good for, unless an option says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultUsageLimit = 5

/**
 * The paths of the three requests, below the service's URL.
 *
 * @since 0.1.0
 * @category constants
 */
export const paths = {
  login: "/api/chatgpt/user/login",
  text: "/api/chatgpt/chatapi/text",
  stream: "/api/chatgpt/chatapi/stream"
} as const

/**
 * The payload of the frame that ends a reply.
 *
 * @since 0.1.0
 * @category constants
 */
export const done = "[DONE]"

/**
 * The headers of all three requests, unless the options of a layer replace them.
 *
 * @since 0.1.0
 * @category headers
 */
export const defaultHeaders = (options: {
  /** The origin of the service's URL. */
  readonly origin: string
  /** The time, in Unix seconds. */
  readonly now: number
}): Record<string, string> => ({
  "accept": "*/*",
  "accept-language": "en-US,en;q=0.9",
  "content-type": "application/json",
  "origin": options.origin,
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36",
  "sec-ch-ua": "\"Google Chrome\";v=\"117\", \"Not;A=Brand\";v=\"8\", \"Chromium\";v=\"117\"",
  "sec-ch-ua-mobile": "?0",
  "sec-ch-ua-platform": "\"Linux\"",
  "sec-fetch-dest": "empty",
  "sec-fetch-mode": "cors",
  "sec-fetch-site": "same-origin",
  "x-auth-appid": "2229",
  "x-auth-openid": "",
  "x-auth-platform": "",
  "x-auth-timestamp": String(options.now)
})

/**
 * The body of `login`. The fingerprint is 32 lower-case hex digits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoginRequest = Schema.Struct({
  fingerprint: Schema.String.pipe(
    Schema.pattern(/^[0-9a-f]{32}$/, { description: "32 lower-case hex digits" })
  ),
  platform: Schema.Literal("fingerprint")
}).annotations({ identifier: "GPTalkLoginRequest" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface LoginRequest extends Schema.Schema.Type<typeof LoginRequest> {}

/** Must fit into a header or a URL, for which HTTP servers allow some 8 or 16 KiB. */
const Token = Schema.String.pipe(Schema.maxLength(8192, { description: "a token of at most 8192 characters" }))

/**
 * The response to `login`: a session token. `expires_at` is in Unix seconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoginResponse = Schema.Struct({
  data: Schema.Struct({
    token: Token.pipe(Schema.pattern(/^[\x21-\x7e]+$/, { description: "a token of visible ASCII" })),
    expires_at: Schema.Finite
  })
}).annotations({ identifier: "GPTalkLoginResponse" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface LoginResponse extends Schema.Schema.Type<typeof LoginResponse> {}

/**
 * The body of `text`. `content` is the prompt, `prompt` the system prompt; `created_at` is in Unix seconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextRequest = Schema.Struct({
  content: Schema.String,
  accept: Schema.Literal("stream"),
  from: Schema.Finite,
  model: Schema.NonEmptyString,
  is_mobile: Schema.Finite,
  user_agent: Schema.String,
  is_open_ctx: Schema.Finite,
  prompt: Schema.String,
  roid: Schema.Finite,
  temperature: Schema.Finite,
  ctx_msg_count: Schema.NonNegativeInt,
  created_at: Schema.Finite
}).annotations({ identifier: "GPTalkTextRequest" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface TextRequest extends Schema.Schema.Type<typeof TextRequest> {}

/**
 * The response to `text`: a stream token, good for one `stream` request.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextResponse = Schema.Struct({
  data: Schema.Struct({ token: Token.pipe(Schema.nonEmptyString()) })
}).annotations({ identifier: "GPTalkTextResponse" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface TextResponse extends Schema.Schema.Type<typeof TextResponse> {}

/**
 * One frame of `stream`: the whole reply so far. It may have other fields.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Frame = Schema.Struct({ content: Schema.String }).annotations({ identifier: "GPTalkFrame" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface Frame extends Schema.Schema.Type<typeof Frame> {}

/**
 * An error in place of a response or a frame, as `GPTalkServer` sends it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ErrorBody = Schema.Struct({
  code: Schema.Number,
  msg: Schema.String
}).annotations({ identifier: "GPTalkErrorBody" })

/**
 * @since 0.1.0
 * @category schemas
 */
export interface ErrorBody extends Schema.Schema.Type<typeof ErrorBody> {}
