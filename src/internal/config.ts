/**
 * Reads the options of the layers from `Config`, each from a variable of its own.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Json from "./json.js"
import * as Settings from "./settings.js"

/**
 * The settings that `layer` would make of the options, or why it would not accept them.
 *
 * @internal
 */
export const validate = (options: object): Either.Either<Settings.Settings, ConfigError.ConfigError> =>
  Either.mapLeft(Settings.make(options), ({ issue }) => ConfigError.InvalidData([], issue))

/**
 * `Config.unwrap`, for options that may be left out or empty.
 *
 * @internal
 */
export const unwrap = <A>(wrapped: Config.Config.Wrap<A>): Config.Config<A> => unwrapAny(wrapped) as Config.Config<A>

const unwrapAny = (wrapped: unknown): Config.Config<unknown> => {
  if (Config.isConfig(wrapped)) return wrapped
  if (!Predicate.isRecord(wrapped)) return Config.succeed(wrapped)
  return Object.entries(wrapped).reduce<Config.Config<object>>(
    (all, [key, value]) => Config.zipWith(all, unwrapAny(value), (all, one) => ({ ...all, [key]: one })),
    Config.succeed({})
  )
}

/** `usageLimit` is read from `GPTALK_USAGE_LIMIT`. */
const variable = (option: string): string => `GPTALK_${option.replace(/[A-Z]/g, "_$&").toUpperCase()}`

/**
 * Validates the value of a variable as an option. This is part of the variable's `Config`: an error of a later step
 * would not name the variable.
 */
const read = <A>(
  name: string,
  toOptions: (text: string) => object,
  select: (settings: Settings.Settings) => A
): Config.Config<A | undefined> =>
  Config.primitive(name, (text) => Either.map(validate(toOptions(text)), select)).pipe(
    Config.nested(variable(name)),
    Config.withDefault(undefined)
  )

const option = <Key extends keyof Settings.Settings>(
  key: Key,
  toValue: (text: string) => unknown = (text) => text
): Config.Config<Settings.Settings[Key] | undefined> =>
  read(key, (text) => ({ [key]: toValue(text) }), (settings) => settings[key])

const part =
  /(?<![\d.])(\d+(?:\.\d+)?|\.\d+)\s*(ms|msecs?|millis|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])\s*/gi
const millisOf: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Milliseconds, if the text is a duration as people write it ("30 seconds", "1.5 min", "500ms", "1h 30m"); otherwise
 * the text, which may be a `DurationInput`.
 */
const duration = (text: string): number | string => {
  let millis = 0
  let last = Infinity
  const rest = text.replace(part, (_, amount: string, unit: string) => {
    const name = unit.toLowerCase()
    const factor = millisOf[/^(ms|mil)/.test(name) ? "ms" : name.charAt(0)]!
    millis += factor < last ? Number(amount) * factor : NaN
    last = factor
    return ""
  })
  return rest.trim() === "" && rest !== text ? millis : text.trim()
}

const timeout = (phase: keyof Settings.Settings["timeouts"]) =>
  read(
    `timeout_${phase}`,
    (text) => ({ timeouts: { [phase]: duration(text) } }),
    (settings) => settings.timeouts[phase]
  )

/** Text that is not JSON stays text, and is then invalid: `Config.integer` would read an empty one as 0. */
const json = (text: string): unknown => Either.getOrElse(Json.parse(text), () => text)

/** @internal */
export const options = {
  url: option("url"),
  model: option("model"),
  headers: option("headers", json),
  usageLimit: option("usageLimit", json),
  retries: option("retries", json),
  timeouts: {
    response: timeout("response"),
    firstDelta: timeout("firstDelta"),
    idle: timeout("idle")
  },
  maxFrameSize: option("maxFrameSize", json),
  maxBodySize: option("maxBodySize", json),
  propagateTrace: Config.withDefault(Config.boolean(variable("propagateTrace")), undefined)
}
