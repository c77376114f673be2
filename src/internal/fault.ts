/**
 * The one place where errors of the service and of the `HttpClient` become errors of this package.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as GPTalkError from "../GPTalkError.js"
import { containsSecret, redactor } from "./redact.js"
import type { Secrets } from "./secrets.js"

/** @internal */
export interface ServiceFault {
  readonly code?: number | string | undefined
  readonly detail?: string | undefined
}

const successCodes: ReadonlyArray<unknown> = [0, 200, "0", "200"]

/**
 * Whether a value of JSON is absent or empty, or all fields within it are.
 *
 * @internal
 */
export const isEmptyValue = (value: unknown): boolean =>
  (typeof value === "object" && value !== null ? Object.values(value) : [value]).every((one) => !one)

const isError = (value: unknown): boolean =>
  !isEmptyValue(value) && !(Predicate.isRecord(value) && successCodes.includes(value["code"]))

const isNonBlank = (value: unknown): value is string => typeof value === "string" && value.trim() !== ""

const isCode = (value: unknown): value is number | string => Number.isFinite(value) || isNonBlank(value)

/**
 * The code and the message of a JSON body or frame, if it is an error.
 *
 * @internal
 */
export const errorFields = (json: unknown): ServiceFault => {
  if (!Predicate.isRecord(json)) return { detail: isNonBlank(json) ? json : undefined }
  const { error } = json
  const nested = Predicate.isRecord(error) ? error : {}
  const code = [json["code"], nested["code"]].find(isCode)
  // An `error` may be only the title of a status; the message beside a code of success is only "ok".
  const first = successCodes.includes(code) && error
  return {
    code,
    detail: [nested["message"], nested["msg"], first, json["msg"], json["message"], error].find(isNonBlank)
  }
}

/**
 * The error that a JSON body or frame holds in place of what was asked for, if any. A `code` of 0 or 200, with its
 * `msg`, is not an error. Nor is a message without a code beside a `content`.
 *
 * @internal
 */
export const serviceFault = (json: unknown, hasContent = false): ServiceFault | undefined => {
  if (!Predicate.isRecord(json)) return undefined
  const fault = errorFields(json)
  const isSilent = (fault.code ?? (hasContent ? undefined : fault.detail)) === undefined
  return !isError(json["error"]) && (isSilent || successCodes.includes(fault.code)) ? undefined : fault
}

/** A number is a secret only if it is as long as a piece of one: a shorter one is a code, whatever was asked. */
const redactCode = (code: number | string, redact: (text: string) => string): number | string => {
  if (typeof code === "number" && String(Math.abs(code)).length < 8) return code
  const text = redact(String(code))
  return text === String(code) ? code : text
}

/** @internal */
export const toServiceError = (
  fault: ServiceFault,
  options: {
    readonly step: GPTalkError.Step
    readonly status: number
    readonly secrets: Secrets
    readonly retryAfter?: Option.Option<Duration.Duration> | undefined
  }
): GPTalkError.ServiceError => {
  const redact = redactor(options.secrets.all)
  const code = fault.code === undefined ? undefined : redactCode(fault.code, redact)
  const detail = fault.detail === undefined ? "" : redact(fault.detail)
  // Fields are left out, not set to undefined, so that equal errors compare equal.
  return new GPTalkError.ServiceError({
    step: options.step,
    status: options.status,
    ...(code === undefined ? {} : { code }),
    ...(detail === "" ? {} : { detail }),
    retryAfter: options.retryAfter ?? Option.none()
  })
}

/** In seconds. A duration of more than `Number.MAX_SAFE_INTEGER` milliseconds cannot be encoded. */
const maxSeconds = Number.MAX_SAFE_INTEGER / 1000

/**
 * `Retry-After`, in seconds or as an HTTP date; `None` if it is absent or unreadable. A date in the past is zero.
 *
 * @internal
 */
export const parseRetryAfter = (header: string | undefined, now: number): Option.Option<Duration.Duration> => {
  // Some clients join repeated headers with a comma. The first one counts.
  const value = header?.trim().replace(/^([\d.]+|.*?GMT),.*$/i, "$1") ?? ""
  if (/^\d+(\.\d+)?$/.test(value)) return Option.some(Duration.seconds(Math.min(Number(value), maxSeconds)))
  // The form that ends with the year has no time zone, but means GMT like the others.
  const date = /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(value)
    ? Date.parse(value.replace(/ \d{4}$/, "$& GMT"))
    : NaN
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(date - now))
}

/** A platform error holds its request, and so everything that was sent. */
const isPlatformError = (error: unknown): error is { readonly reason: unknown } =>
  Predicate.isTagged(error, "RequestError") || Predicate.isTagged(error, "ResponseError")

/**
 * The innermost error says what failed; those around it only say that something did.
 */
const innermost = (error: unknown, depth = 8): unknown => {
  if (!Predicate.isRecord(error) || depth === 0) return error
  const inner = Array.isArray(error["errors"]) ? error["errors"][0] ?? error["cause"] : error["cause"]
  if (Predicate.isRecord(inner)) return innermost(inner, depth - 1)
  // The message of a platform error without a cause quotes its request, and with it the URL.
  return isPlatformError(error) ? inner ?? { message: error.reason } : error
}

/** How many values within a defect are searched, and how many characters of them. */
const mostValues = 10_000
const mostCharacters = 1_000_000

/**
 * Whether the properties of the defect hold a request or a secret, however deep, or may do so beyond what is searched.
 *
 * @internal
 */
export const isUnsafe = (defect: unknown, { all: secrets }: Secrets): boolean => {
  const isQuoted = containsSecret(secrets)
  const seen = new Set<unknown>()
  let count = 0
  let length = 0
  const visit = (value: unknown): boolean => {
    if (seen.has(value)) return false
    seen.add(value)
    if (typeof value === "string") return (length += value.length) > mostCharacters || isQuoted(value)
    if (++count > mostValues) return true
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false
    if (isPlatformError(value) || Predicate.hasProperty(value, HttpClientRequest.TypeId)) return true
    // These two may be inherited getters.
    return [...Reflect.ownKeys(value), "message", "cause"].some((key) => visit(Reflect.get(value, key)))
  }
  try {
    return visit(defect)
  } catch {
    return true
  }
}

/** @internal */
export const toConnectionError = (
  error: unknown,
  options: { readonly step: GPTalkError.Step; readonly secrets: Secrets }
): GPTalkError.ConnectionError => {
  const foreign = innermost(error)
  const { code, message, name } = Predicate.isRecord(foreign) ? foreign : { message: foreign }
  const redact = redactor(options.secrets.all)
  const clean = (value: unknown) => typeof value === "string" ? redact(value) : undefined
  const cleanCode = clean(code)
  return new GPTalkError.ConnectionError({
    step: options.step,
    cause: {
      name: clean(name) ?? "Error",
      ...(cleanCode === undefined ? {} : { code: cleanCode }),
      message: clean(message) ?? ""
    }
  })
}
