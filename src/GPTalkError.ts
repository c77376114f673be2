/**
 * All failures of a GPTalk call, as a union of tagged, schema-backed errors.
 *
 * Each error has a `message` of one sentence, and `isRetryable`: whether the client retries a call that fails this way
 * before its first delta. `step` names the request that failed; `InvalidRequestError` has none.
 *
 * No error holds a token, a fingerprint or a prompt: errors of the `HttpClient` are reduced to a name, a code and a
 * message, and secrets are removed from the service's text. Only the `text` of an `IncompleteReplyError` is left as the
 * service sent it, and may quote the prompt.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * Which of the three requests of a call failed.
 *
 * @since 0.1.0
 * @category models
 */
export const Step = Schema.Literal("login", "text", "stream")

/**
 * @since 0.1.0
 * @category models
 */
export type Step = typeof Step.Type

const RetryAfter = Schema.Option(Schema.Duration)

const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/**
 * Most loggers print an error as JSON, which without this would hold its fields alone.
 *
 * Each class has `message` as a getter, since that of `Schema.TaggedError` is one: a field of that name throws where
 * fields are compiled to assignments (React Native).
 */
const toJSON = (error: Error & { readonly isRetryable: boolean }, fields: unknown): object => ({
  ...Object(fields),
  isRetryable: error.isRetryable,
  message: error.message
})

/**
 * The request, or an option of the layer, does not match its schema. Nothing was sent. `issue` says what is wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequestError extends Schema.TaggedError<InvalidRequestError>("GPTalkInvalidRequestError")(
  "InvalidRequestError",
  { issue: Schema.String }
) {
  readonly isRetryable = false

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    return `The request is not valid: ${this.issue}.`
  }
}

/**
 * The service answered 401 or 403 to the login, or to `text` with a session just issued.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>("GPTalkAuthenticationError")(
  "AuthenticationError",
  { step: Step, status: Schema.Number }
) {
  readonly isRetryable = false

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    return this.step === "login"
      ? `The service refused the login with status ${this.status}: check the url and the headers.`
      : `The service refused a session that it had just issued, with status ${this.status}.`
  }
}

/**
 * The service answered 429. `retryAfter` is the delay of the `Retry-After` header, if there was one.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimitError extends Schema.TaggedError<RateLimitError>("GPTalkRateLimitError")(
  "RateLimitError",
  { step: Step, retryAfter: RetryAfter }
) {
  readonly isRetryable = true

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    const when = Option.match(this.retryAfter, {
      onNone: () => "later",
      onSome: (delay) => Duration.greaterThan(delay, 0) ? `in ${Duration.format(delay)}` : "now"
    })
    return `The service is rate limiting requests (status 429 at ${this.step}): try again ${when}.`
  }
}

/**
 * The service answered with another status outside 2xx, or a 2xx response or a frame holds an error instead of what was
 * asked for. A `code` of 0 or 200 is not an error. Only the statuses 408, 500, 502, 503 and 504 are retryable.
 *
 * `code` and `detail` are those of the service, cut to 200 characters, with tokens and prompt removed. `retryAfter` is
 * the delay of the `Retry-After` header, if a status outside 2xx came with one.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServiceError extends Schema.TaggedError<ServiceError>("GPTalkServiceError")(
  "ServiceError",
  {
    step: Step,
    status: Schema.Number,
    code: Schema.optional(Schema.Union(Schema.Number, Schema.String)),
    detail: Schema.optional(Schema.String),
    retryAfter: RetryAfter
  }
) {
  get isRetryable(): boolean {
    return retryableStatuses.has(this.status)
  }

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    const code = this.code === undefined || this.code === this.status ? "" : `, code ${this.code}`
    // Redirects are not followed. In a browser, a redirect has the status 0.
    const hint = /^(0|3..|404|405)$/.test(String(this.status)) ? ": check the url." : "."
    const detail = this.detail === undefined ? hint : `: ${this.detail}`
    return `The service answered with an error at ${this.step} (status ${this.status}${code})${detail}`
  }
}

/**
 * What is kept of an error of the `HttpClient`: enough to act on, without secrets.
 *
 * @since 0.1.0
 * @category models
 */
export const ConnectionCause = Schema.Struct({
  name: Schema.String,
  code: Schema.optional(Schema.String),
  message: Schema.String
})

/**
 * There was no connection, or it broke before the first delta.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionError extends Schema.TaggedError<ConnectionError>("GPTalkConnectionError")(
  "ConnectionError",
  { step: Step, cause: ConnectionCause }
) {
  readonly isRetryable = true

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    return `The connection to the service failed at ${this.step} (${this.cause.message || this.cause.name}): ` +
      "check that it, or the proxy in front of it, is running and that the url is right."
  }
}

/**
 * One of the three timeouts expired: `phase` is its name, `after` its length.
 *
 * @since 0.1.0
 * @category errors
 */
export class TimeoutError extends Schema.TaggedError<TimeoutError>("GPTalkTimeoutError")(
  "TimeoutError",
  { step: Step, phase: Schema.Literal("response", "firstDelta", "idle"), after: Schema.Duration }
) {
  readonly isRetryable = true

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    const missing = { response: "no answer", firstDelta: "no text", idle: "no further frame" }[this.phase]
    return `The service sent ${missing} at ${this.step} within ${Duration.format(this.after)}.`
  }
}

/**
 * The service broke the protocol: a response is not JSON or has the wrong shape, a response or a frame is too large,
 * the last frame before `[DONE]` is unreadable, or a frame contradicts text already handed on. `issue` says where, what
 * was expected and what kind of value was found, never the value.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>("GPTalkProtocolError")(
  "ProtocolError",
  { step: Step, issue: Schema.String }
) {
  readonly isRetryable = false

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    return `The service broke the protocol at ${this.step}: ${this.issue}.`
  }
}

/**
 * The stream ended before `[DONE]`, or the connection broke after a delta. `text` is all of the reply that arrived.
 *
 * @since 0.1.0
 * @category errors
 */
export class IncompleteReplyError extends Schema.TaggedError<IncompleteReplyError>("GPTalkIncompleteReplyError")(
  "IncompleteReplyError",
  { step: Step, text: Schema.String }
) {
  readonly isRetryable = true

  override toJSON(): object {
    return toJSON(this, super.toJSON())
  }

  override get message(): string {
    const { length } = this.text
    return `The reply ended before it was complete, after ${length} character${length === 1 ? "" : "s"}.`
  }
}

/**
 * All errors of a call, as a schema: for logs, queues and RPC. `Schema.is(GPTalkError)` tells them from other errors.
 * `HttpApiEndpoint.addError` ignores the `status` of a union, so add each class that needs one.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 * import * as Option from "effect/Option"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const program = GPTalk.generateText({ prompt: "Hi" }).pipe(
 *   Effect.catchTags({
 *     RateLimitError: ({ retryAfter }) =>
 *       Effect.succeed(`Busy for ${Option.match(retryAfter, { onNone: () => "a while", onSome: Duration.format })}.`),
 *     IncompleteReplyError: ({ text }) => Effect.succeed(`${text} …`)
 *   })
 * )
 * @example
 * import * as Schema from "effect/Schema"
 * import { GPTalkError } from "effect-gptalk/GPTalkError"
 *
 * // What is decoded is an instance of the same class, with its `message` and `isRetryable`.
 * const json = Schema.parseJson(GPTalkError)
 * const toJson = Schema.encode(json)
 * const fromJson = Schema.decode(json)
 */
export const GPTalkError = Schema.Union(
  InvalidRequestError,
  AuthenticationError,
  RateLimitError,
  ServiceError,
  ConnectionError,
  TimeoutError,
  ProtocolError,
  IncompleteReplyError
)

/**
 * @since 0.1.0
 * @category errors
 */
export type GPTalkError =
  | InvalidRequestError
  | AuthenticationError
  | RateLimitError
  | ServiceError
  | ConnectionError
  | TimeoutError
  | ProtocolError
  | IncompleteReplyError
