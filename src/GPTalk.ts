/**
 * GPTalk as a service: a reply as a `Stream` of deltas, or whole.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Channel from "effect/Channel"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Auth from "./Auth.js"
import type { GPTalkError } from "./GPTalkError.js"
import { InvalidRequestError } from "./GPTalkError.js"
import { options as defaultOptions, validate } from "./internal/config.js"
import * as Exchange from "./internal/exchange.js"
import { describe } from "./internal/issue.js"
import { watchdogs } from "./internal/patience.js"
import * as Reply from "./internal/reply.js"
import * as Secrets from "./internal/secrets.js"
import * as Settings from "./internal/settings.js"
import * as Transport from "./internal/transport.js"
import * as Message from "./Message.js"
import * as Protocol from "./Protocol.js"

/**
 * The client of a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class GPTalk extends Context.Tag("effect-gptalk/GPTalk")<GPTalk, Service>() {}

/**
 * The two ways to ask: for the deltas of a reply, or for all of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The deltas of the reply, as they arrive: never empty, always well-formed Unicode. Nothing is sent until the stream
   * is run, and each run is an exchange of its own.
   */
  readonly streamText: (request: Request) => Stream.Stream<string, GPTalkError>
  /** The whole reply. */
  readonly generateText: (request: Request) => Effect.Effect<string, GPTalkError>
  /** The model of a request that names none, where that is known. */
  readonly model?: string | undefined
}

/**
 * What can be said with a request beside the text; all of it can be left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /** Default: the layer's `model`. */
  readonly model?: string | undefined
  /** Default 0. */
  readonly temperature?: number | undefined
  /** What the wire calls `prompt`. Default empty. */
  readonly systemPrompt?: string | undefined
  /** How many messages the service may keep as context; the wire's `ctx_msg_count`. Default 3. */
  readonly contextMessages?: number | undefined
}

/**
 * What to ask: the messages of a conversation, or one prompt, which goes over the wire as it is.
 *
 * @since 0.1.0
 * @category models
 */
export type Request =
  & RequestOptions
  & (
    | { readonly messages: ReadonlyArray<Message.Message>; readonly prompt?: undefined }
    | { readonly prompt: string; readonly messages?: undefined }
  )

/**
 * The options of the layers; all of them can be left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Auth.Options {
  /** Used where a request names none. Default `gpt-3.5-turbo`. */
  readonly model?: string | undefined
  /**
   * How often an exchange is begun again before its first delta, by `generateText` too. Default 2.
   *
   * It is after an error with `isRetryable`: of statuses 408, 429, 500, 502, 503 and 504, so not for an error in a 2xx
   * answer. The wait is 0.5 seconds, doubling to 8, each shorter by up to a fifth. `Retry-After` takes the place of that
   * up to 60 seconds; beyond it the call fails at once.
   */
  readonly retries?: number | undefined
  readonly timeouts?: {
    /** From a request to its whole JSON answer, or to the headers of the stream. Default 30 seconds. */
    readonly response?: Duration.DurationInput | undefined
    /** From the headers of the stream to its first delta. Default 60 seconds. */
    readonly firstDelta?: Duration.DurationInput | undefined
    /** After the first delta, from the last good frame to the next. Default 60 seconds. */
    readonly idle?: Duration.DurationInput | undefined
  } | undefined
  /** The largest frame, in bytes. Default 16 MiB. */
  readonly maxFrameSize?: number | undefined
}

/**
 * What is known of the public service.
 *
 * @since 0.1.0
 * @category constants
 */
export const provider = {
  url: Protocol.defaultUrl,
  working: false,
  supportsGpt35Turbo: true,
  defaultModel: Protocol.defaultModel
} as const

const RequestSchema = Schema.Struct({
  messages: Schema.optional(Schema.NonEmptyArray(Message.Message)),
  prompt: Schema.optional(Schema.String),
  model: Schema.optional(Schema.NonEmptyString),
  temperature: Schema.optional(Schema.Finite),
  systemPrompt: Schema.optional(Schema.String),
  contextMessages: Schema.optional(Schema.NonNegativeInt)
}).pipe(
  Schema.filter((request) => (request.messages === undefined) !== (request.prompt === undefined), {
    identifier: "either messages or a prompt"
  })
)

const decodeRequest = Schema.decodeUnknownEither(RequestSchema)

const toAsked = (
  request: Request,
  settings: Settings.Settings
): Either.Either<Exchange.Asked, InvalidRequestError> =>
  Either.mapBoth(decodeRequest(request), {
    onLeft: (error) => new InvalidRequestError({ issue: describe(error) }),
    onRight: ({ contextMessages, messages, model, prompt, systemPrompt, temperature }) => ({
      question: {
        content: messages === undefined ? prompt ?? "" : Message.toPrompt(messages),
        model: model ?? settings.model,
        prompt: systemPrompt ?? "",
        temperature: temperature ?? 0,
        ctx_msg_count: contextMessages ?? 3
      },
      words: messages?.map(({ content }) => content) ?? []
    })
  })

/**
 * The service, on an `HttpClient` and an `Auth` from the context. An option that is not valid fails each call with
 * `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, HttpClient.HttpClient | Auth.Auth> =>
  Either.match(Settings.make(options), {
    onLeft: (error) =>
      Effect.succeed(GPTalk.of({ streamText: () => Stream.fail(error), generateText: () => Effect.fail(error) })),
    onRight: makeWith
  })

const makeWith = Effect.fnUntraced(function*(
  settings: Settings.Settings
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Auth.Auth> {
  const dependencies = {
    auth: yield* Auth.Auth,
    transport: Transport.make(yield* HttpClient.HttpClient, settings),
    watchdogOf: watchdogs(settings.timeouts),
    secrets: Secrets.ofSettings(settings),
    settings
  }
  const begin = (name: string, request: Request) => Exchange.make(dependencies, name, toAsked(request, settings))

  // An exchange holds nothing until it is pulled, so there is nothing to acquire; and `generateText` has no use for a
  // stream, which would double its cost.
  return GPTalk.of({
    model: settings.model,
    streamText: (request) =>
      Stream.fromChannel(Channel.suspend(() => {
        const exchange = begin("GPTalk.streamText", request)
        return Channel.ensuringWith(Reply.toChannel(exchange.pull), exchange.close)
      })),
    generateText: (request) =>
      Effect.suspend(() => {
        const exchange = begin("GPTalk.generateText", request)
        return Effect.onExit(Reply.toText(exchange.pull), exchange.close)
      })
  })
})

/**
 * The deltas of the reply, as they arrive: never empty, always well-formed Unicode; joined, they are the reply.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * import * as Console from "effect/Console"
 * import * as Stream from "effect/Stream"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const program = GPTalk.streamText({ prompt: "Hi" }).pipe(Stream.runForEach(Console.log))
 */
export const streamText = (request: Request): Stream.Stream<string, GPTalkError, GPTalk> =>
  Stream.fromChannel(Channel.flatMap(GPTalk, (service) => Stream.toChannel(service.streamText(request))))

/**
 * The whole reply.
 *
 * @since 0.1.0
 * @category accessors
 */
export const generateText = (request: Request): Effect.Effect<string, GPTalkError, GPTalk> =>
  Effect.flatMap(GPTalk, (service) => service.generateText(request))

/**
 * GPTalk on an `Auth` that is given, for instance one that several layers share.
 *
 * A session of the `Auth` goes to the `url` that is given here, so give `url` and `headers` to both. `usageLimit` has no
 * effect here: it is the `Auth`'s.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithoutAuth = (
  options?: Options
): Layer.Layer<GPTalk, never, HttpClient.HttpClient | Auth.Auth> => Layer.effect(GPTalk, make(options))

/**
 * GPTalk with an `Auth` of its own. An option that is not valid fails each call with `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<GPTalk, never, HttpClient.HttpClient> =>
  Layer.provide(layerWithoutAuth(options), Auth.layer(options))

/**
 * The same with options from `Config`. With none given, each option is read from a variable of its own, where it is
 * set: `GPTALK_URL`, `GPTALK_MODEL`, `GPTALK_HEADERS` (a JSON object), `GPTALK_USAGE_LIMIT`, `GPTALK_RETRIES`,
 * `GPTALK_TIMEOUT_RESPONSE`, `GPTALK_TIMEOUT_FIRST_DELTA`, `GPTALK_TIMEOUT_IDLE` (`30 seconds`, `500ms`, `1h 30m`),
 * `GPTALK_MAX_FRAME_SIZE`, `GPTALK_MAX_BODY_SIZE` (bytes), `GPTALK_PROPAGATE_TRACE`.
 *
 * A value that is not valid is a `ConfigError` that names its variable.
 *
 * With options given, none of these variables is read. A `ConfigError` of one of them names what that `Config` names; for
 * a value that the `Config` gives and that is not valid, its path is empty, and its message names the option.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options> = defaultOptions
): Layer.Layer<GPTalk, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Effect.flatMap(Config.unwrap(options), validate), layer))
