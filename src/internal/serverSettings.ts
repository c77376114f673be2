/**
 * The options of the server: validated once, with their defaults filled in.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.js"
import { describe } from "./issue.js"
import { AtLeastOne, PositiveDuration, withDefault } from "./settings.js"

const Lifetime = PositiveDuration.pipe(
  Schema.filter((duration) => Duration.isFinite(duration), { identifier: "a finite duration" })
)

const ServerSettings = Schema.Struct({
  usageLimit: withDefault(AtLeastOne, Protocol.defaultUsageLimit),
  sessionLifetime: withDefault(Lifetime, Duration.hours(1)),
  streamTokenLifetime: withDefault(Lifetime, Duration.minutes(1)),
  maxSessions: withDefault(Schema.NonNegativeInt, 10_000),
  maxStreamTokens: withDefault(Schema.NonNegativeInt, 1_000),
  maxReplies: withDefault(Schema.NonNegativeInt, 1_000),
  maxBodySize: withDefault(AtLeastOne, 1024 * 1024)
})

/** @internal */
export interface ServerSettings extends Schema.Schema.Type<typeof ServerSettings> {}

const decode = Schema.decodeUnknownEither(ServerSettings)

/**
 * An invalid option is a mistake in the program: the layer dies with the message that this returns.
 *
 * @internal
 */
export const make = (options: object | undefined): Either.Either<ServerSettings, string> =>
  Either.mapLeft(decode(options ?? {}), (error) => `GPTalkServer: option ${describe(error)}`)
