/**
 * The options of the layers: validated, with their defaults filled in.
 */
import * as Url from "@effect/platform/Url"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { InvalidRequestError } from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import { describe } from "./issue.js"

const isServiceUrl = (value: unknown): value is string | URL =>
  (typeof value === "string" || value instanceof URL) &&
  Option.exists(
    Either.getRight(Url.fromString(String(value))),
    ({ password, protocol, username }) => /^https?:$/.test(protocol) && username + password === ""
  )

const ServiceUrl = Schema.transform(
  Schema.declare(isServiceUrl, { identifier: "an http or https URL without credentials" }),
  Schema.URLFromSelf,
  { strict: true, decode: (value) => new URL(value), encode: (url) => url }
)

const isPositiveDuration = (value: unknown): value is Duration.DurationInput =>
  Option.exists(Duration.decodeUnknown(value), Duration.greaterThan(0))

/** @internal */
export const PositiveDuration = Schema.transform(
  Schema.declare(isPositiveDuration, { identifier: "a duration longer than zero, such as 30 seconds" }),
  Schema.DurationFromSelf,
  { strict: true, decode: Duration.decode, encode: (duration) => duration }
)

/** @internal */
export const AtLeastOne = Schema.Int.pipe(Schema.greaterThanOrEqualTo(1))

const HttpHeaders = Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
  Schema.filter(
    (headers) =>
      Object.entries(headers).every(([name, value]) =>
        /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
      ),
    { identifier: "valid HTTP header names and values" }
  )
)

/** @internal */
export const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value })

const Timeouts = Schema.Struct({
  response: withDefault(PositiveDuration, Duration.seconds(30)),
  firstDelta: withDefault(PositiveDuration, Duration.seconds(60)),
  idle: withDefault(PositiveDuration, Duration.seconds(60))
})

const Settings = Schema.Struct({
  url: withDefault(ServiceUrl, new URL(Protocol.defaultUrl)),
  model: withDefault(Schema.NonEmptyString, Protocol.defaultModel),
  headers: withDefault(HttpHeaders, {}),
  usageLimit: withDefault(AtLeastOne, Protocol.defaultUsageLimit),
  retries: withDefault(Schema.NonNegativeInt, 2),
  timeouts: withDefault(Timeouts, Schema.decodeUnknownSync(Timeouts)({})),
  maxFrameSize: withDefault(AtLeastOne, 16 * 1024 * 1024),
  maxBodySize: withDefault(AtLeastOne, 1024 * 1024),
  propagateTrace: withDefault(Schema.Boolean, false)
})

/** @internal */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

const decode = Schema.decodeUnknownEither(Settings)

/**
 * An invalid option fails each call with the error that this returns, and `layerConfig` with a `ConfigError`.
 *
 * @internal
 */
export const make = (options: object | undefined): Either.Either<Settings, InvalidRequestError> =>
  Either.mapLeft(decode(options ?? {}), (error) => new InvalidRequestError({ issue: `option ${describe(error)}` }))
