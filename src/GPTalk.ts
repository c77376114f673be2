/**
 * The client: a reply as a `Stream` of deltas, or as a whole text.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import * as Channel from "effect/Channel"
import type * as Config from "effect/Config"
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
import type { Dependencies } from "./internal/attempt.js"
import { options as defaultOptions, unwrap, validate } from "./internal/config.js"
import { watchdogs } from "./internal/deadline.js"
import * as Exchange from "./internal/exchange.js"
import { describe } from "./internal/issue.js"
import * as Reply from "./internal/reply.js"
import * as Secrets from "./internal/secrets.js"
import * as Settings from "./internal/settings.js"
import * as Transport from "./internal/transport.js"
import * as Message from "./Message.js"
import * as Protocol from "./Protocol.js"

/**
 * The client of one GPTalk service.
 *
 * @since 0.1.0
 * @category tags
 */
export class GPTalk extends Context.Tag("effect-gptalk/GPTalk")<GPTalk, Service>() {}

/**
 * The two kinds of call: one streams the deltas of a reply, the other returns it whole.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The deltas of the reply, as they arrive: never empty, always well-formed Unicode. Nothing is sent until the stream
   * runs, and each run sends its own requests.
   */
  readonly streamText: (request: Request) => Stream.Stream<string, GPTalkError>
  /** The whole reply. */
  readonly generateText: (request: Request) => Effect.Effect<string, GPTalkError>
  /** The model used when a request names none, if it is known. */
  readonly model?: string | undefined
}

/**
 * Optional settings of a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /** Default: the layer's `model`. */
  readonly model?: string | undefined
  /** Default 0. */
  readonly temperature?: number | undefined
  /** The system prompt; the protocol's `prompt`. Default: empty. */
  readonly systemPrompt?: string | undefined
  /** How many messages the service may keep as context; the protocol's `ctx_msg_count`. Default 3. */
  readonly contextMessages?: number | undefined
}

/**
 * A request: either the messages of a conversation, at least one, or a prompt, which is sent as it is. Messages are
 * sent as the text that `Message.toPrompt` makes of them.
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
 * The options of the layers. All are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Auth.Options {
  /** The model of requests that name none. Default `gpt-3.5-turbo`. */
  readonly model?: string | undefined
  /**
   * How many times a call is retried before its first delta, `generateText` too. Default 2.
   *
   * Only errors with `isRetryable` are retried. The retryable statuses are 408, 429, 500, 502, 503 and 504, so an error
   * in a 2xx response is not retried. The delay is 0.5 seconds, doubling to 8 seconds, each shortened by up to a fifth.
   * `Retry-After` replaces the delay, up to 60 seconds; if it is longer, the call fails at once.
   */
  readonly retries?: number | undefined
  /** How long to wait for the service. The consumer's own time does not count. */
  readonly timeouts?: {
    /** From a request to its whole JSON response, or to the headers of the stream. Default 30 seconds. */
    readonly response?: Duration.DurationInput | undefined
    /** From the headers of the stream to its first delta. Default 60 seconds. */
    readonly firstDelta?: Duration.DurationInput | undefined
    /** After the first delta, from the last good frame to the next. Default 60 seconds. */
    readonly idle?: Duration.DurationInput | undefined
  } | undefined
  /** The largest frame of a stream: of its line, with `data:`, in bytes. Default 16 MiB. */
  readonly maxFrameSize?: number | undefined
}

/**
 * Facts about the public service, which no longer works.
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
  messages: Schema.NonEmptyArray(Message.Message).annotations({ description: "at least one message" }),
  prompt: Schema.String,
  model: Schema.NonEmptyString,
  temperature: Schema.Finite,
  systemPrompt: Schema.String,
  contextMessages: Schema.NonNegativeInt
}).pipe(
  Schema.partial,
  Schema.filter((request) => (request.messages === undefined) !== (request.prompt === undefined), {
    identifier: "either messages or a prompt"
  })
)

const decodeRequest = Schema.decodeUnknownEither(RequestSchema)

const prepare = (
  request: Request,
  dependencies: Dependencies
): Either.Either<Exchange.Prepared, InvalidRequestError> =>
  Either.mapBoth(decodeRequest(request), {
    onLeft: (error) => new InvalidRequestError({ issue: describe(error) }),
    onRight: ({ contextMessages, messages, model, prompt, systemPrompt, temperature }) => ({
      dependencies,
      question: {
        content: messages === undefined ? prompt ?? "" : Message.toPrompt(messages),
        model: model ?? dependencies.settings.model,
        prompt: systemPrompt ?? "",
        temperature: temperature ?? 0,
        ctx_msg_count: contextMessages ?? 3
      },
      contents: messages?.map(({ content }) => content) ?? []
    })
  })

/**
 * Makes the service from the `HttpClient` and the `Auth` of the context. `usageLimit` has no effect here: it is an
 * option of `Auth.make`. An invalid option fails each call with `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  options?: Options
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Auth.Auth> {
  const auth = yield* Auth.Auth
  const client = yield* HttpClient.HttpClient
  const dependencies = Either.map(Settings.make(options), (settings): Dependencies => ({
    auth,
    transport: Transport.make(client, settings),
    watchdogOf: watchdogs(settings.timeouts),
    secrets: Secrets.ofSettings(settings),
    settings
  }))
  const begin = (name: string, request: Request) =>
    Exchange.make(name, Either.flatMap(dependencies, (dependencies) => prepare(request, dependencies)))

  // An exchange holds nothing until it is pulled, so there is nothing to acquire. `generateText` uses no stream, which
  // would double the cost of a short reply.
  return GPTalk.of({
    model: Either.getOrUndefined(dependencies)?.settings.model,
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
 * The deltas of the reply, as they arrive: never empty, always well-formed Unicode. Joined, they are the whole reply.
 * Nothing is sent until the stream runs, and each run sends its own requests.
 *
 * To try again after a failure, retry the effect that consumes the stream. `Stream.retry` resets its schedule at each
 * first delta, as does `Stream.withExecutionPlan`: neither gives up on a reply that always breaks off.
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
  // `Stream.unwrap` would take about 50 µs longer.
  Stream.fromChannel(Channel.flatMap(GPTalk, (service) => Stream.toChannel(service.streamText(request))))

/**
 * The whole reply.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const program = GPTalk.generateText({
 *   messages: [
 *     { role: "system", content: "Be brief." },
 *     { role: "user", content: "What is a monad?" }
 *   ],
 *   temperature: 0.5
 * })
 */
export const generateText = (request: Request): Effect.Effect<string, GPTalkError, GPTalk> =>
  Effect.flatMap(GPTalk, (service) => service.generateText(request))

/**
 * GPTalk with an `Auth` from the context, so that several layers can share one session.
 *
 * Give the same `url` and `headers` to both, since the session token is sent to the `url` of this layer. `usageLimit`
 * has no effect here: it is an option of `Auth.layer`. An invalid option fails each call with `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Auth from "effect-gptalk/Auth"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const url = "http://localhost:8787"
 * const Quick = GPTalk.layerWithoutAuth({ url, retries: 0, timeouts: { firstDelta: "5 seconds" } })
 * const Patient = GPTalk.layerWithoutAuth({ url, timeouts: { firstDelta: "5 minutes" } })
 *
 * // Both take the `Auth` and the `HttpClient` of the program.
 * const program = Effect.all([
 *   GPTalk.generateText({ prompt: "Name a color." }).pipe(Effect.provide(Quick)),
 *   GPTalk.generateText({ prompt: "Write a poem." }).pipe(Effect.provide(Patient))
 * ])
 *
 * const AuthLive = Auth.layer({ url }).pipe(Layer.provideMerge(FetchHttpClient.layer))
 *
 * program.pipe(Effect.provide(AuthLive), Effect.runPromise)
 */
export const layerWithoutAuth = (
  options?: Options
): Layer.Layer<GPTalk, never, HttpClient.HttpClient | Auth.Auth> => Layer.effect(GPTalk, make(options))

/**
 * GPTalk with an `Auth` of its own. An invalid option fails each call with `InvalidRequestError`.
 *
 * With `FetchHttpClient`, provide a `RequestInit` to the program: one provided to the client's layer alone is replaced,
 * so that redirects are not followed. A client wrapped in `HttpClient.followRedirects` does follow them, and sends the
 * token of the session to wherever they lead.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<GPTalk, never, HttpClient.HttpClient> =>
  Layer.provide(layerWithoutAuth(options), Auth.layer(options))

/**
 * GPTalk with options from `Config`. Without an argument, each option is read from its own variable, if that is set:
 * `GPTALK_URL`, `GPTALK_MODEL`, `GPTALK_HEADERS` (a JSON object, as text), `GPTALK_USAGE_LIMIT`, `GPTALK_RETRIES`,
 * `GPTALK_TIMEOUT_RESPONSE`, `GPTALK_TIMEOUT_FIRST_DELTA`, `GPTALK_TIMEOUT_IDLE` (`30 seconds`, `500ms`, `1h 30m`),
 * `GPTALK_MAX_FRAME_SIZE`, `GPTALK_MAX_BODY_SIZE` (bytes), `GPTALK_PROPAGATE_TRACE`. An invalid value is a
 * `ConfigError` that names its variable.
 *
 * With options of your own, none of these variables is read. If a `Config` among them fails, the `ConfigError` is
 * its own. If it succeeds with an invalid value, the path of the `ConfigError` is empty, and its message names the
 * option.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Config from "effect/Config"
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const GPTalkLive = GPTalk.layerConfig({
 *   url: Config.string("CHAT_URL"),
 *   model: Config.succeed("gpt-4"),
 *   retries: Config.integer("CHAT_RETRIES").pipe(Config.withDefault(5)),
 *   timeouts: { idle: Config.duration("CHAT_IDLE_TIMEOUT") }
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options> = defaultOptions
): Layer.Layer<GPTalk, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Effect.tap(unwrap(options), validate), layer))
