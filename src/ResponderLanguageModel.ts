/**
 * A `Responder` that takes its replies from an `@effect/ai` `LanguageModel`: a server in front of a model.
 *
 * Needs `@effect/ai`.
 *
 * @since 0.1.0
 */

import { type AiError, isAiError } from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Prompt from "@effect/ai/Prompt"
import type * as Response from "@effect/ai/Response"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Responder from "./Responder.js"

/**
 * Why a model gave no complete reply, with the status of its provider's response, if there was one.
 *
 * Errors of `@effect/ai` hold the request, with the prompt and the key of the provider. The server logs the failure of
 * a reply, so none of that is kept here.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModelError extends Schema.TaggedError<ModelError>("GPTalkModelError")("ModelError", {
  reason: Schema.String,
  status: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    const status = this.status === undefined ? "" : `, status ${this.status}`
    return `The model gave no complete reply: ${this.reason}${status}.`
  }
}

/**
 * Makes a responder from the `LanguageModel` of the context. The model gets the prompt unchanged, as the text of one
 * user message, after the system prompt if there is one. Only the text of its reply is sent to the client.
 *
 * The `model` and the `temperature` of the request are ignored. To pass one on, provide the provider's `Config` to the
 * stream of the reply, as in the example. The reply fails with `ModelError` when the model fails, when its reply breaks
 * off or has no text part, and when its token limit or a content filter ends the reply. An empty text, which
 * `@effect/ai-openai` returns for a refusal, is a complete reply. When the client disconnects, the call to the model is
 * interrupted.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * import { OpenAiLanguageModel } from "@effect/ai-openai"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import * as Responder from "effect-gptalk/Responder"
 * import * as ResponderLanguageModel from "effect-gptalk/ResponderLanguageModel"
 *
 * // The model answers with the temperature that the client asks for; 0 may mean that it asks for none.
 * const layer = Layer.effect(
 *   Responder.Responder,
 *   Effect.map(ResponderLanguageModel.fromLanguageModel, ({ respond }) =>
 *     Responder.make((request) =>
 *       request.temperature === 0
 *         ? respond(request)
 *         : Stream.provideService(respond(request), OpenAiLanguageModel.Config, { temperature: request.temperature })
 *     ))
 * )
 */
export const fromLanguageModel: Effect.Effect<
  Responder.Service<ModelError>,
  never,
  LanguageModel.LanguageModel
> = Effect.map(
  LanguageModel.LanguageModel,
  (model) => Responder.make((request) => toDeltas(model.streamText({ prompt: toPrompt(request) })))
)

/**
 * `fromLanguageModel` as a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Config, Layer } from "effect"
 * import * as GPTalkServer from "effect-gptalk/GPTalkServer"
 * import * as ResponderLanguageModel from "effect-gptalk/ResponderLanguageModel"
 *
 * const Routes = GPTalkServer.layer().pipe(
 *   Layer.provide(ResponderLanguageModel.layer),
 *   Layer.provide(OpenAiLanguageModel.layer({ model: "gpt-4.1-mini" })),
 *   Layer.provide(OpenAiClient.layerConfig({ apiKey: Config.redacted("OPENAI_API_KEY") })),
 *   Layer.provide(NodeHttpClient.layerUndici)
 * )
 */
export const layer: Layer.Layer<Responder.Responder, never, LanguageModel.LanguageModel> = Layer.effect(
  Responder.Responder,
  fromLanguageModel
)

const toPrompt = ({ prompt, systemPrompt }: Responder.Request): Prompt.RawInput => [
  ...(systemPrompt === "" ? [] : [{ role: "system" as const, content: systemPrompt }]),
  { role: "user", content: [{ type: "text", text: prompt }] }
]

/** The finish reasons of an incomplete reply, and what they mean. The others may end a complete one. */
const brokenOff: { readonly [Reason in Response.FinishReason]?: string } = {
  error: "it ended with an error",
  length: "it reached its token limit",
  "content-filter": "a content filter cut it off"
}

type Part = Response.StreamPart<Record<never, never>>

/**
 * A provider that fails, or whose connection breaks, may just end its stream, even with the finish reason `stop`. A
 * text is then still open, or was never sent.
 */
const toDeltas = (parts: Stream.Stream<Part, AiError>): Stream.Stream<string, ModelError> =>
  Stream.suspend(() => {
    const openTexts = new Set<string>()
    let hasText = false

    const handle = (part: Part): Effect.Effect<string, ModelError> => {
      switch (part.type) {
        case "text-start":
          hasText = true
          openTexts.add(part.id)
          break
        case "text-delta":
          hasText = true
          return Effect.succeed(part.delta)
        case "text-end":
          openTexts.delete(part.id)
          break
        case "finish": {
          const reason = brokenOff[part.reason]
          return reason === undefined ? nothing : new ModelError({ reason })
        }
        case "error":
          return new ModelError({ reason: `it sent an error${codeOf(part.error)}` })
      }
      return nothing
    }

    const end = Stream.suspend(() =>
      hasText && openTexts.size === 0
        ? Stream.empty
        : Stream.fail(new ModelError({ reason: "it ended before it was complete" }))
    )

    return parts.pipe(
      Stream.mapErrorCause(toModelErrors),
      Stream.mapEffect(handle),
      Stream.filter((delta) => delta !== ""),
      Stream.concat(end)
    )
  })

const nothing = Effect.succeed("")

/** A provider's error code, and nothing longer: its error messages may quote the prompt. */
const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" && /^\w{1,64}$/.test(error.code)
    ? ` (${error.code})`
    : ""

/** A program may make its model die with an `AiError` (`Stream.orDie`), which the server would log. */
const toModelErrors: (cause: Cause.Cause<AiError>) => Cause.Cause<ModelError> = Cause.match({
  onEmpty: Cause.empty,
  onFail: (error) => Cause.fail(toModelError(error)),
  onDie: (defect) => Cause.die(isAiError(defect) ? toModelError(defect) : defect),
  onInterrupt: Cause.interrupt,
  onSequential: Cause.sequential,
  onParallel: Cause.parallel
})

const toModelError = (error: AiError): ModelError => {
  switch (error._tag) {
    case "HttpRequestError":
      return new ModelError({ reason: `the request to its provider failed (${error.reason})` })
    case "HttpResponseError":
      return new ModelError({
        reason: error.reason === "StatusCode"
          ? "its provider answered with an error"
          : `its provider's answer broke off or could not be read (${error.reason})`,
        status: error.response.status
      })
    default:
      return new ModelError({ reason: `${error.module}.${error.method} failed (${error._tag})` })
  }
}
