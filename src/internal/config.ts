/**
 * The options of the layers from `Config`, each under a name of its own.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Settings from "./settings.js"

const invalid = (message: string): ConfigError.ConfigError => ConfigError.InvalidData([], message)

/**
 * Options that `layer` would take, or why not.
 *
 * @internal
 */
export const validate = <Options extends object>(options: Options): Either.Either<Options, ConfigError.ConfigError> =>
  Either.mapBoth(Settings.make(options), { onLeft: (error) => invalid(error.issue), onRight: () => options })

const units: Record<string, Duration.Unit> = { ms: "millis", s: "seconds", m: "minutes", min: "minutes", h: "hours" }

/** As `Duration` reads it ("30 seconds"), or short ("30s", "1.5 min", "500ms"). */
const duration = (text: string): Either.Either<Duration.Duration, ConfigError.ConfigError> => {
  const [, amount, short = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text) ?? []
  const unit = units[short]
  return Either.fromOption(
    Duration.decodeUnknown(unit === undefined ? text.trim() : `${amount} ${unit}`),
    () => invalid("expected a duration, such as 30 seconds, 30s or 500ms")
  )
}

const headers = Schema.decodeUnknownEither(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String }))
)

/** All in one step: what fails in a second `mapOrFail` does not name its variable. */
const decodedOption = <A, B>(
  config: Config.Config<A>,
  decode: (value: A) => Either.Either<B, ConfigError.ConfigError>,
  toOptions: (value: B) => object
): Config.Config<B | undefined> =>
  Config.option(
    Config.mapOrFail(config, (value) =>
      Either.flatMap(decode(value), (decoded) => Either.map(validate(toOptions(decoded)), () => decoded)))
  ).pipe(
    Config.map(Option.getOrUndefined)
  )

const option = <A>(config: Config.Config<A>, toOptions: (value: A) => object): Config.Config<A | undefined> =>
  decodedOption(config, Either.right, toOptions)

const timeout = (name: string, phase: keyof Settings.Settings["timeouts"]) =>
  decodedOption(Config.string(name), duration, (value) => ({ timeouts: { [phase]: value } }))

/** @internal */
export const options = {
  url: option(Config.string("GPTALK_URL"), (url) => ({ url })),
  model: option(Config.string("GPTALK_MODEL"), (model) => ({ model })),
  headers: decodedOption(
    Config.string("GPTALK_HEADERS"),
    (text) => Either.mapLeft(headers(text), () => invalid("expected a JSON object of strings")),
    (headers) => ({ headers })
  ),
  usageLimit: option(Config.integer("GPTALK_USAGE_LIMIT"), (usageLimit) => ({ usageLimit })),
  retries: option(Config.integer("GPTALK_RETRIES"), (retries) => ({ retries })),
  timeouts: {
    response: timeout("GPTALK_TIMEOUT_RESPONSE", "response"),
    firstDelta: timeout("GPTALK_TIMEOUT_FIRST_DELTA", "firstDelta"),
    idle: timeout("GPTALK_TIMEOUT_IDLE", "idle")
  },
  maxFrameSize: option(Config.integer("GPTALK_MAX_FRAME_SIZE"), (maxFrameSize) => ({ maxFrameSize })),
  maxBodySize: option(Config.integer("GPTALK_MAX_BODY_SIZE"), (maxBodySize) => ({ maxBodySize })),
  propagateTrace: option(Config.boolean("GPTALK_PROPAGATE_TRACE"), (propagateTrace) => ({ propagateTrace }))
}
