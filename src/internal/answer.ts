/**
 * Turns an answer of the service into a value or one of our errors, by its status, its JSON body and its shape.
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as GPTalkError from "../GPTalkError.js"
import type { Body, Handlers } from "./body.js"
import { Bytes } from "./bytes.js"
import * as Fault from "./fault.js"
import { describe } from "./issue.js"
import * as Json from "./json.js"
import { markRefusal } from "./refusal.js"
import type { Secrets } from "./secrets.js"
import type { Settings } from "./settings.js"

/** @internal */
export interface Answer {
  readonly step: GPTalkError.Step
  readonly response: HttpClientResponse.HttpClientResponse
  readonly body: Body
  readonly settings: Settings
  /** What must not appear in the text of an error. */
  readonly secrets: Secrets
}

/** @internal */
export type Decode<A> = (json: unknown) => Either.Either<A, ParseResult.ParseError>

/**
 * How long to wait for the body of an error. It only adds detail to what is already known, so the wait is short: one
 * second, or half of the response timeout if that is shorter.
 */
const errorBodyTimeout = (timeout: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.min(1000, Duration.toMillis(timeout) / 2))

const isOk = (status: number): boolean => status >= 200 && status < 300

/** `JSON` or `HTML` if the content type of the answer says so: neither is an event stream. */
const otherType = (response: HttpClientResponse.HttpClientResponse): string | undefined =>
  /^[^;,]*?(\bjson\b|html)/i.exec(response.headers["content-type"] ?? "")?.[1]?.toUpperCase()

const utf8 = new TextDecoder()

const readText = (
  { body, response, settings: { maxBodySize }, step }: Answer
): Effect.Effect<string, GPTalkError.GPTalkError> => {
  const tooLarge = () =>
    new GPTalkError.ProtocolError({
      step,
      issue: `expected an answer of at most ${maxBodySize} bytes, found a larger one`
    })
  return Effect.suspend(() => {
    if (Number(response.headers["content-length"]) > maxBodySize) return tooLarge()
    const text = new Bytes()
    const handlers: Handlers<string> = {
      onChunks: (chunks) => {
        for (const bytes of chunks) text.append(bytes, 0, bytes.length)
        return text.length > maxBodySize ? tooLarge() : body.read(handlers)
      },
      onEnd: Effect.map(() => utf8.decode(text.bytes.subarray(0, text.length)))
    }
    return body.read(handlers)
  })
}

/** The body of an error; empty if it does not arrive in time, or cannot be read. */
const readDetail = (answer: Answer): Effect.Effect<string> =>
  readText(answer).pipe(
    Effect.timeout(errorBodyTimeout(answer.settings.timeouts.response)),
    Effect.orElseSucceed(() => "")
  )

const failure = Effect.fnUntraced(function*(answer: Answer): Effect.fn.Return<never, GPTalkError.GPTalkError> {
  const { response, step } = answer
  const { status } = response
  if (step !== "stream" && (status === 401 || status === 403)) {
    // Marked for an `Auth` of another copy of the package, to which its class says nothing.
    return yield* markRefusal(new GPTalkError.AuthenticationError({ step, status }))
  }
  const retryAfter = Fault.parseRetryAfter(response.headers["retry-after"], yield* Clock.currentTimeMillis)
  if (status === 429) return yield* new GPTalkError.RateLimitError({ step, retryAfter })
  const text = yield* readDetail(answer)
  const json = Either.getOrElse(Json.parse(text), () => otherType(response) === "HTML" ? undefined : text)
  return yield* toServiceError(answer, json, Fault.errorFields(json), retryAfter)
})

const dataOf = (json: unknown): unknown => Predicate.isRecord(json) ? json["data"] : undefined

/** The error of an answer. If the answer has a token, the error text may quote that. */
const toServiceError = (
  { response: { status }, secrets, step }: Answer,
  json: unknown,
  fault: Fault.ServiceFault,
  retryAfter?: Option.Option<Duration.Duration>
): GPTalkError.ServiceError => {
  const data = dataOf(json)
  if (Predicate.hasProperty(data, "token") && Predicate.isString(data.token)) secrets.add(data.token)
  return Fault.toServiceError(fault, { step, status, secrets, retryAfter })
}

/** What is wrong with a 2xx answer: the error that its JSON holds, or else that it breaks the protocol. */
const toError = (answer: Answer, json: unknown, issue: string) => {
  const fault = Fault.serviceFault(json)
  return fault === undefined
    ? new GPTalkError.ProtocolError({ step: answer.step, issue })
    : toServiceError(answer, json, fault)
}

/**
 * The value of a JSON answer. An answer to `text` whose JSON has no `data`, or an empty one, is marked as a refusal of
 * the session.
 *
 * @internal
 */
export const decode = <A>(answer: Answer, decodeJson: Decode<A>): Effect.Effect<A, GPTalkError.GPTalkError> => {
  if (!isOk(answer.response.status)) return failure(answer)
  return Effect.flatMap(readText(answer), (text) => {
    const json = Json.parse(text)
    return Either.mapLeft(
      Either.flatMap(json, (json) => Either.mapLeft(decodeJson(json), describe)),
      (issue) => {
        const error = toError(answer, Either.getOrUndefined(json), issue)
        const isRefusal = answer.step === "text" && Either.isRight(json) && Fault.isEmptyValue(dataOf(json.right))
        return isRefusal ? markRefusal(error) : error
      }
    )
  })
}

/**
 * Whether the answer is an event stream: its status is 2xx, and its content type is neither JSON nor HTML.
 *
 * @internal
 */
export const isEventStream = (response: HttpClientResponse.HttpClientResponse): boolean =>
  isOk(response.status) && otherType(response) === undefined

/**
 * Fails with what is wrong with an answer that is not an event stream.
 *
 * @internal
 */
export const notEventStream = (answer: Answer): Effect.Effect<never, GPTalkError.GPTalkError> => {
  const { response } = answer
  if (!isOk(response.status)) return failure(answer)
  const type = otherType(response)
  // A body declared as HTML may still be an error in JSON.
  return Effect.flatMap(type === "HTML" ? readDetail(answer) : readText(answer), (text) => {
    const json = Either.getOrUndefined(Json.parse(text))
    return Effect.fail(toError(answer, json, `expected an event stream, found ${type}`))
  })
}
