/**
 * The one place where an error of this package becomes one of `@effect/ai`. Our errors hold no token and no prompt, so
 * they can be the cause of another error. `IncompleteReplyError` cannot: its text may quote the prompt.
 */
import * as AiError from "@effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { GPTalkError, Step } from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"

/**
 * Which method of which module failed, as each `AiError` reports it.
 *
 * @internal
 */
export interface Origin {
  readonly module: string
  readonly method: string
}

/** The request without headers, body and query: these hold the tokens and the prompt. */
const requestOf = (step: Step): typeof AiError.HttpRequestDetails.Type => ({
  method: step === "stream" ? "GET" : "POST",
  url: Protocol.paths[step],
  urlParams: [],
  hash: Option.none(),
  headers: {}
})

/** @internal */
export const fromGPTalkError = (origin: Origin) => (error: GPTalkError): AiError.AiError => {
  const description = error.message
  const fromStatus = (step: Step, status: number, retryAfter: Option.Option<Duration.Duration> = Option.none()) =>
    new AiError.HttpResponseError({
      ...origin,
      description,
      reason: "StatusCode",
      request: requestOf(step),
      response: {
        status,
        headers: Option.match(retryAfter, {
          onNone: () => ({}),
          onSome: (duration) => ({ "retry-after": String(Math.ceil(Duration.toSeconds(duration))) })
        })
      }
    })
  switch (error._tag) {
    case "InvalidRequestError":
      return new AiError.MalformedInput({ ...origin, description, cause: error })
    case "AuthenticationError":
      return fromStatus(error.step, error.status)
    case "RateLimitError":
      return fromStatus(error.step, 429, error.retryAfter)
    case "ServiceError":
      // With a 2xx status, only the service's text says what is wrong.
      return error.status >= 200 && error.status < 300
        ? new AiError.UnknownError({ ...origin, description, cause: error })
        : fromStatus(error.step, error.status, error.retryAfter)
    case "ConnectionError":
    case "TimeoutError":
      return new AiError.HttpRequestError({
        ...origin,
        description,
        reason: "Transport",
        request: requestOf(error.step),
        cause: error
      })
    case "ProtocolError":
      return new AiError.MalformedOutput({ ...origin, description, cause: error })
    case "IncompleteReplyError":
      return new AiError.MalformedOutput({ ...origin, description })
  }
}
