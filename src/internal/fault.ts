/**
 * The one place where what other parties say goes wrong becomes an error of this package.
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as GPTalkError from "../GPTalkError.js"
import { redact } from "./redact.js"

/** @internal */
export interface ServiceFault {
  readonly code: number | string | undefined
  readonly detail: string | undefined
}

const isSuccessCode = (code: unknown): boolean => code === 0 || code === 200 || code === "0" || code === "200"

const words = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined

/**
 * The error that a JSON body or frame carries in place of what was asked, if it does. A `code` of 0 or 200, with its
 * `msg`, is no error.
 *
 * @internal
 */
export const serviceFault = (json: unknown): ServiceFault | undefined => {
  if (!Predicate.isRecord(json)) return undefined
  const nested = Predicate.isRecord(json["error"]) ? json["error"] : {}
  const code = json["code"] ?? nested["code"]
  const hasError = json["error"] !== undefined && json["error"] !== null && json["error"] !== false &&
    json["error"] !== ""
  const detail = words(nested["message"]) ?? words(nested["msg"]) ?? words(json["error"]) ?? words(json["msg"]) ??
    words(json["message"])
  const hasCode = typeof code === "number" || words(code) !== undefined
  if (!hasError && (isSuccessCode(code) || (!hasCode && detail === undefined))) return undefined
  return { code: hasCode ? code as number | string : undefined, detail }
}

/** @internal */
export const toServiceError = (
  fault: ServiceFault,
  options: {
    readonly step: GPTalkError.Step
    readonly status: number
    readonly secrets: ReadonlyArray<string>
    readonly retryAfter?: Option.Option<Duration.Duration>
  }
): GPTalkError.ServiceError =>
  new GPTalkError.ServiceError({
    step: options.step,
    status: options.status,
    code: typeof fault.code === "string" ? redact(fault.code, options.secrets) : fault.code,
    detail: fault.detail === undefined ? undefined : redact(fault.detail, options.secrets) || undefined,
    retryAfter: options.retryAfter ?? Option.none()
  })

/**
 * `Retry-After`, in seconds or as an HTTP date; none where it is absent or unreadable. A date that is past is zero.
 *
 * @internal
 */
export const retryAfter = (header: string | undefined, now: number): Option.Option<Duration.Duration> => {
  const value = header?.trim() ?? ""
  if (/^\d+(\.\d+)?$/.test(value)) return Option.some(Duration.seconds(Number(value)))
  const date = /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(Math.max(0, date - now)))
}

const isErrorLike = (value: unknown): value is { name?: unknown; code?: unknown; message?: unknown; cause?: unknown } =>
  typeof value === "object" && value !== null

/**
 * The innermost error says what happened; those around it say that something did.
 */
const innermost = (error: unknown): unknown => {
  let current = error
  for (let depth = 0; depth < 8 && isErrorLike(current); depth++) {
    const errors = (current as { readonly errors?: unknown }).errors
    const inner = Array.isArray(errors) && errors.length > 0 ? errors[0] : current.cause
    if (!isErrorLike(inner)) break
    current = inner
  }
  return current
}

const isPlatformError = (error: unknown): error is HttpClientError.HttpClientError =>
  Predicate.isTagged(error, "RequestError") || Predicate.isTagged(error, "ResponseError")

/** @internal */
export const toConnectionError = (
  error: unknown,
  options: { readonly step: GPTalkError.Step; readonly secrets: ReadonlyArray<string> }
): GPTalkError.ConnectionError => {
  // A platform error without a cause has its request in its message, and with it the URL.
  const foreign = isPlatformError(error)
    ? innermost(error.cause ?? { name: "Error", message: error.reason })
    : innermost(error)
  const { code, message, name } = isErrorLike(foreign) ? foreign : { code: undefined, message: foreign, name: "Error" }
  return new GPTalkError.ConnectionError({
    step: options.step,
    cause: {
      name: typeof name === "string" ? redact(name, options.secrets) : "Error",
      code: typeof code === "string" ? redact(code, options.secrets) : undefined,
      message: typeof message === "string" ? redact(message, options.secrets) : ""
    }
  })
}

/** @internal */
export const parseJson = (text: string): Either.Either<unknown, string> =>
  Either.try({
    try: () => JSON.parse(text) as unknown,
    // The engine's own message quotes the text.
    catch: () => text === "" ? "expected JSON, found nothing" : "expected JSON, found other text"
  })
