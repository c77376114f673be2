/**
 * The options of the layers, validated once and completed with their defaults.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { InvalidRequestError } from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import { describe } from "./issue.js"

const parseUrl = (value: string): Option.Option<URL> =>
  Option.filter(
    Option.liftThrowable(() => new URL(value))(),
    (url) => (url.protocol === "http:" || url.protocol === "https:") && url.username === "" && url.password === ""
  )

const ServiceUrl = Schema.transformOrFail(
  Schema.Union(Schema.String, Schema.URLFromSelf),
  Schema.URLFromSelf,
  {
    strict: true,
    decode: (value, _, ast) => Either.fromOption(parseUrl(String(value)), () => new ParseResult.Type(ast, value)),
    encode: (url) => ParseResult.succeed(url)
  }
).annotations({ identifier: "an http or https URL without credentials" })

/** @internal */
export const PositiveDuration = Schema.transformOrFail(Schema.Unknown, Schema.DurationFromSelf, {
  strict: true,
  decode: (value, _, ast) =>
    Either.fromOption(
      Option.filter(Duration.decodeUnknown(value), (duration) => Duration.toMillis(duration) > 0),
      () => new ParseResult.Type(ast, value)
    ),
  encode: (duration) => ParseResult.succeed(duration)
}).annotations({ identifier: "a duration longer than zero" })

/** @internal */
export const Count = Schema.Int.pipe(Schema.greaterThanOrEqualTo(0))

/** @internal */
export const AtLeastOne = Schema.Int.pipe(Schema.greaterThanOrEqualTo(1))

const HttpHeaders = Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
  Schema.filter(
    (headers) =>
      Object.entries(headers).every(([name, value]) =>
        /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
      ),
    { identifier: "names and values that HTTP allows" }
  )
)

const Timeouts = Schema.Struct({
  response: Schema.optionalWith(PositiveDuration, { default: () => Duration.seconds(30) }),
  firstDelta: Schema.optionalWith(PositiveDuration, { default: () => Duration.seconds(60) }),
  idle: Schema.optionalWith(PositiveDuration, { default: () => Duration.seconds(60) })
})

const Settings = Schema.Struct({
  url: Schema.optionalWith(ServiceUrl, { default: () => new URL(Protocol.defaultUrl) }),
  model: Schema.optionalWith(Schema.NonEmptyString, { default: () => Protocol.defaultModel }),
  headers: Schema.optionalWith(HttpHeaders, { default: () => ({}) }),
  usageLimit: Schema.optionalWith(AtLeastOne, { default: () => Protocol.defaultUsageLimit }),
  retries: Schema.optionalWith(Count, { default: () => 2 }),
  timeouts: Schema.optionalWith(Timeouts, { default: () => Schema.decodeUnknownSync(Timeouts)({}) }),
  maxFrameSize: Schema.optionalWith(AtLeastOne, { default: () => 16 * 1024 * 1024 }),
  maxBodySize: Schema.optionalWith(AtLeastOne, { default: () => 1024 * 1024 }),
  propagateTrace: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** @internal */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

const decode = Schema.decodeUnknownEither(Settings)

/**
 * An option that is not valid fails each call with the error that this gives, and `layerConfig` with a `ConfigError`.
 *
 * @internal
 */
export const make = (options: object | undefined): Either.Either<Settings, InvalidRequestError> =>
  Either.mapLeft(decode(options ?? {}), (error) => new InvalidRequestError({ issue: `option ${describe(error)}` }))
