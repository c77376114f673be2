/**
 * Everything that can go wrong with a GPTalk call, as one family of tagged, schema-backed errors.
 *
 * No error holds a token, a fingerprint or a prompt: foreign errors are reduced to a name, a code and a message
 * before they come here, and the service's own words are cleared of secrets.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * Which of the three requests of an exchange an error belongs to.
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

const again = (retryAfter: Option.Option<Duration.Duration>): string =>
  Option.match(retryAfter, {
    onNone: () => "try again later",
    onSome: (duration) => `try again in ${Duration.format(duration)}`
  })

/**
 * The request (or an option of the layer) breaks its schema. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequestError extends Schema.TaggedError<InvalidRequestError>("effect-gptalk/InvalidRequestError")(
  "InvalidRequestError",
  { issue: Schema.String }
) {
  readonly isRetryable = false

  override get message(): string {
    return `The request is not valid: ${this.issue}.`
  }
}

/**
 * The login, or `text` with a session that had just been issued, was answered with 401 or 403.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>("effect-gptalk/AuthenticationError")(
  "AuthenticationError",
  { step: Step, status: Schema.Number }
) {
  readonly isRetryable = false

  override get message(): string {
    return this.step === "login"
      ? `The service refused the login with status ${this.status}: check the url and the headers.`
      : `The service refused a session that it had just issued, with status ${this.status}.`
  }
}

/**
 * The service answered 429. `retryAfter` is what it asked to be waited, where it did.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimitError extends Schema.TaggedError<RateLimitError>("effect-gptalk/RateLimitError")(
  "RateLimitError",
  { step: Step, retryAfter: RetryAfter }
) {
  readonly isRetryable = true

  override get message(): string {
    return `The service is rate limiting requests (status 429 at ${this.step}): ${again(this.retryAfter)}.`
  }
}

/**
 * Another status outside 2xx, or an answer or a frame that carries an error in place of what was asked.
 *
 * `code` and `detail` are the service's own, cut to 200 characters and cleared of tokens and prompt.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServiceError extends Schema.TaggedError<ServiceError>("effect-gptalk/ServiceError")(
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

  override get message(): string {
    const code = this.code === undefined || this.code === this.status ? "" : `, code ${this.code}`
    const detail = this.detail === undefined ? "." : `: ${this.detail}`
    const answer = this.status >= 200 && this.status < 300 ? "with an error" : "an error"
    return `The service answered ${answer} at ${this.step} (status ${this.status}${code})${detail}`
  }
}

/**
 * What is kept of a foreign error: enough to act on, nothing that could hold a secret.
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
export class ConnectionError extends Schema.TaggedError<ConnectionError>("effect-gptalk/ConnectionError")(
  "ConnectionError",
  { step: Step, cause: ConnectionCause }
) {
  readonly isRetryable = true

  override get message(): string {
    return `The connection to the service failed at ${this.step} (${this.cause.message || this.cause.name}): ` +
      "check that it, or the proxy before it, is running and that the url is right."
  }
}

/**
 * One of the three timeouts ran out: `phase` says which, `after` how long it was.
 *
 * @since 0.1.0
 * @category errors
 */
export class TimeoutError extends Schema.TaggedError<TimeoutError>("effect-gptalk/TimeoutError")(
  "TimeoutError",
  { step: Step, phase: Schema.Literal("response", "firstDelta", "idle"), after: Schema.Duration }
) {
  readonly isRetryable = true

  override get message(): string {
    const missing = { response: "no answer", firstDelta: "no text", idle: "no further frame" }[this.phase]
    return `The service sent ${missing} at ${this.step} within ${Duration.format(this.after)}.`
  }
}

/**
 * The service does not keep to the protocol. `issue` says where, what was expected and what kind of thing was
 * found, never the value.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>("effect-gptalk/ProtocolError")(
  "ProtocolError",
  { step: Step, issue: Schema.String }
) {
  readonly isRetryable = false

  override get message(): string {
    return `The service broke the protocol at ${this.step}: ${this.issue}.`
  }
}

/**
 * The stream ended before `[DONE]`, or broke after a delta. `text` is all of the reply that arrived.
 *
 * @since 0.1.0
 * @category errors
 */
export class IncompleteReplyError
  extends Schema.TaggedError<IncompleteReplyError>("effect-gptalk/IncompleteReplyError")(
    "IncompleteReplyError",
    { step: Step, text: Schema.String }
  )
{
  readonly isRetryable = true

  override get message(): string {
    return `The reply ended before it was complete, after ${this.text.length} characters.`
  }
}

/**
 * All errors of this package, as a schema: for logs, queues and RPC.
 *
 * @since 0.1.0
 * @category errors
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
export type GPTalkError = typeof GPTalkError.Type
