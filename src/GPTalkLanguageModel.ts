/**
 * GPTalk as a `LanguageModel` of `@effect/ai`, for `generateText`, `streamText`, `generateObject` and `Chat`.
 *
 * The protocol carries text only. A prompt with a file, a tool call or a tool result fails with `MalformedInput`, and
 * so does a toolkit, unless `toolChoice` is `"none"`. Reasoning parts are left out. The service reports no token
 * counts, so the usage is unknown.
 *
 * Needs `@effect/ai`.
 *
 * @since 0.1.0
 */

import * as AiError from "@effect/ai/AiError"
import * as IdGenerator from "@effect/ai/IdGenerator"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import type * as Response from "@effect/ai/Response"
import * as Telemetry from "@effect/ai/Telemetry"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as GPTalk from "./GPTalk.js"
import { fromGPTalkError, type Origin } from "./internal/aiError.js"
import { findObject } from "./internal/aiObject.js"
import { toMessages } from "./internal/aiPrompt.js"

/**
 * Configuration for the calls of a part of a program, merged over the layer's options.
 *
 * @since 0.1.0
 * @category configuration
 */
export class Config extends Context.Tag("effect-gptalk/GPTalkLanguageModel/Config")<Config, Config.Service>() {
  /**
   * The configuration of the context, or `undefined` if there is none.
   *
   * @since 0.1.0
   */
  static readonly getOrUndefined: Effect.Effect<Config.Service | undefined> = Effect.map(
    Effect.serviceOption(this),
    Option.getOrUndefined
  )
}

/**
 * @since 0.1.0
 * @category configuration
 */
export declare namespace Config {
  /**
   * `model`, `temperature`, `systemPrompt` and `contextMessages`, with the defaults of `GPTalk.RequestOptions`.
   *
   * @since 0.1.0
   * @category configuration
   */
  export interface Service extends GPTalk.RequestOptions {}
}

/**
 * The options of the layer. `Config` overrides them for a part of a program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: the model of the `GPTalk` layer. */
  readonly model?: string | undefined
  /** The other settings of each request. Default: those of `GPTalk.RequestOptions`. */
  readonly config?: Omit<Config.Service, "model"> | undefined
}

/**
 * The model as an `@effect/ai` `Model`: a layer that also names its provider, `"gptalk"`. The default model is that of
 * the `GPTalk` layer. The configuration applies to each call, with `withConfigOverride` merged over it.
 *
 * @since 0.1.0
 * @category models
 * @example
 * import * as LanguageModel from "@effect/ai/LanguageModel"
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
 *
 * const Live = GPTalk.layer({ url: "http://localhost:8787" }).pipe(Layer.provide(FetchHttpClient.layer))
 *
 * const program = LanguageModel.generateText({ prompt: "Hi" }).pipe(
 *   Effect.map((response) => response.text),
 *   Effect.provide(GPTalkLanguageModel.model("gpt-4")),
 *   Effect.provide(Live)
 * )
 */
export const model = (
  model?: string,
  config?: Omit<Config.Service, "model">
): AiModel.Model<"gptalk", LanguageModel.LanguageModel, GPTalk.GPTalk> =>
  AiModel.make("gptalk", layer({ model, config }))

/**
 * Makes the `LanguageModel` service. Every failure of its calls is an `AiError`:
 *
 * - `MalformedInput`: the protocol cannot carry what was asked, or the request is invalid. Nothing was sent.
 * - `HttpRequestError`: no connection, or a timeout. The `GPTalkError` is its `cause`.
 * - `HttpResponseError`: a status outside 2xx. Its headers hold `retry-after`, in seconds, if the `GPTalkError` has it.
 * - `MalformedOutput`: the reply broke off (what had arrived is not kept), breaks the protocol, or holds no object that
 *   matches the schema.
 * - `UnknownError`: the service sent an error with a 2xx status.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<LanguageModel.Service, never, GPTalk.GPTalk> =>
  Effect.flatMap(GPTalk.GPTalk, (service) =>
    LanguageModel.make({
      generateText: Effect.fnUntraced(function*(providerOptions) {
        const origin = originOf(providerOptions.responseFormat.type === "json" ? "generateObject" : "generateText")
        const { model, request } = yield* prepare(service, options, providerOptions, origin)
        const text = yield* Effect.mapError(service.generateText(request), fromGPTalkError(origin))
        const metadata = yield* makeMetadata(model, providerOptions.span)
        annotateFinish(providerOptions.span)
        const parts: Array<Response.PartEncoded> = [
          metadata,
          { type: "text", text: yield* readText(text, providerOptions, origin) },
          finish
        ]
        return parts
      }),
      streamText: (providerOptions) => {
        const origin = originOf("streamText")
        return prepare(service, options, providerOptions, origin).pipe(
          Effect.map(({ model, request }) =>
            toParts(
              Stream.mapError(service.streamText(request), fromGPTalkError(origin)),
              makeMetadata(model, providerOptions.span),
              providerOptions.span
            )
          ),
          Stream.unwrap,
          Stream.provideSomeContext(Context.make(Tracer.ParentSpan, providerOptions.span))
        )
      }
    }))

/**
 * The `LanguageModel` as a layer. Without `model`, it uses the model of the `GPTalk` layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import * as LanguageModel from "@effect/ai/LanguageModel"
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
 *
 * // Still needs a GPTalk.GPTalk.
 * const program = LanguageModel.streamText({ prompt: "Hi" }).pipe(
 *   Stream.runForEach((part) => Console.log(part.type === "text-delta" ? part.delta : "")),
 *   Effect.provide(GPTalkLanguageModel.layer({ config: { temperature: 0.5 } }))
 * )
 */
export const layer = (options?: Options): Layer.Layer<LanguageModel.LanguageModel, never, GPTalk.GPTalk> =>
  Layer.effect(LanguageModel.LanguageModel, make(options))

/**
 * Merges `overrides` over the configuration of all calls within an effect, and over the options of their layer. A field
 * that is `undefined` overrides nothing.
 *
 * @since 0.1.0
 * @category configuration
 * @example
 * import * as LanguageModel from "@effect/ai/LanguageModel"
 * import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
 *
 * const program = LanguageModel.generateText({ prompt: "Name a color." }).pipe(
 *   GPTalkLanguageModel.withConfigOverride({ temperature: 1 })
 * )
 */
export const withConfigOverride: {
  /**
   * @since 0.1.0
   * @category configuration
   */
  (overrides: Config.Service): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * @since 0.1.0
   * @category configuration
   */
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Config.Service): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Config.Service): Effect.Effect<A, E, R> =>
    Effect.flatMap(
      Config.getOrUndefined,
      (config) => Effect.provideService(self, Config, mergeConfig(config, overrides))
    )
)

/** A field that is `undefined` overrides nothing. */
const mergeConfig = (config: Config.Service | undefined, overrides: Config.Service | undefined): Config.Service => ({
  ...config,
  ...Object.fromEntries(Object.entries({ ...overrides }).filter(([, value]) => value !== undefined))
})

const originOf = (method: string): Origin => ({ module: "GPTalkLanguageModel", method })

const prepare = Effect.fnUntraced(function*(
  service: GPTalk.Service,
  options: Options | undefined,
  providerOptions: LanguageModel.ProviderOptions,
  origin: Origin
): Effect.fn.Return<
  { readonly model: string | undefined; readonly request: GPTalk.Request },
  AiError.AiError
> {
  const config = mergeConfig({ ...options?.config, model: options?.model }, yield* Config.getOrUndefined)
  const model = config.model ?? service.model
  Telemetry.addGenAIAnnotations(providerOptions.span, {
    system: "gptalk",
    operation: { name: "chat" },
    request: { model, temperature: config.temperature }
  })
  const messages = yield* Either.mapLeft(
    toMessages(providerOptions),
    (description) => new AiError.MalformedInput({ ...origin, description })
  )
  return { model, request: { ...config, messages } }
})

/**
 * Generated here: a reply of the protocol has no id and no date.
 */
const makeMetadata = Effect.fnUntraced(function*(
  modelId: string | undefined,
  span: Tracer.Span
): Effect.fn.Return<Metadata, never, IdGenerator.IdGenerator> {
  const idGenerator = yield* IdGenerator.IdGenerator
  const id = yield* idGenerator.generateId()
  Telemetry.addGenAIAnnotations(span, { response: { id, model: modelId } })
  return { type: "response-metadata", id, modelId, timestamp: DateTime.formatIso(yield* DateTime.now) }
})

interface Metadata extends Response.ResponseMetadataPartEncoded {
  readonly id: string
}

/** Always `stop`: a reply without `[DONE]` is an error, so one that ends is complete. */
const finish: Response.FinishPartEncoded = {
  type: "finish",
  reason: "stop",
  usage: { inputTokens: undefined, outputTokens: undefined, totalTokens: undefined }
}

const annotateFinish = (span: Tracer.Span): void =>
  Telemetry.addGenAIAnnotations(span, { response: { finishReasons: [finish.reason] } })

const readText = (
  text: string,
  { responseFormat }: LanguageModel.ProviderOptions,
  origin: Origin
): Effect.Effect<string, AiError.MalformedOutput> =>
  responseFormat.type === "text"
    ? Effect.succeed(text)
    : Effect.mapError(
      // What the schema needs is in the context: `LanguageModel.generateObject` asks for it.
      findObject(text, responseFormat.schema as Schema.Schema<unknown, unknown>),
      (description) => new AiError.MalformedOutput({ ...origin, description })
    )

/**
 * The parts of a streamed reply. Nothing is emitted before the first delta, so a call that fails earlier can be
 * retried, with this model or another, as though it had not been made.
 */
const toParts = <R>(
  deltas: Stream.Stream<string, AiError.AiError>,
  makeMetadata: Effect.Effect<Metadata, never, R>,
  span: Tracer.Span
): Stream.Stream<Response.StreamPartEncoded, AiError.AiError, R> =>
  Stream.suspend(() => {
    let begun: Metadata | undefined
    const begin = Effect.suspend(() => begun === undefined ? makeMetadata : Effect.succeed(begun))

    /** The next parts, preceded by the first two if these were not emitted yet. */
    const next = (parts: (id: string) => ReadonlyArray<Response.StreamPartEncoded>) =>
      Effect.map(begin, (metadata) => {
        const { id } = metadata
        const first: ReadonlyArray<Response.StreamPartEncoded> = begun ? [] : [metadata, { type: "text-start", id }]
        begun = metadata
        return Chunk.unsafeFromArray([...first, ...parts(id)])
      })

    const last = next((id) => {
      annotateFinish(span)
      return [{ type: "text-end", id }, finish]
    })
    return deltas.pipe(
      // A filter leaves empty chunks.
      Stream.mapChunksEffect((chunk) =>
        Chunk.isEmpty(chunk)
          ? Effect.succeed(Chunk.empty())
          : next((id) => Array.from(chunk, (delta) => ({ type: "text-delta", id, delta })))
      ),
      Stream.concat(Stream.fromIterableEffect(last))
    )
  })
