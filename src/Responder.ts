/**
 * The source of a server's replies.
 *
 * @since 0.1.0
 */

import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/**
 * The service from which `GPTalkServer` gets each reply.
 *
 * @since 0.1.0
 * @category tags
 */
export class Responder extends Context.Tag("effect-gptalk/Responder")<Responder, Service>() {}

/**
 * A function from a request to the deltas of its reply, which may fail with `E`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service<out E = unknown> {
  /**
   * The deltas of the reply; empty ones are skipped. A failure or a defect ends the reply with an error frame that does
   * not say why, and the server logs the cause. A finalizer within the stream that dies may cut the reply off without
   * that frame. When the client disconnects, the stream is interrupted.
   */
  readonly respond: (request: Request) => Stream.Stream<string, E>
}

/**
 * A client's request, as sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly prompt: string
  readonly model: string
  /** 0 if the client asks for none, since the protocol has a number in each request. */
  readonly temperature: number
  /** Empty if the client sent none. */
  readonly systemPrompt: string
  /** How many messages the service may keep as context; the protocol's `ctx_msg_count`, which is 3 by default. */
  readonly contextMessages: number
}

/**
 * A responder from a function. When its stream fails, the client learns only that it failed; the server logs the cause.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * import * as Responder from "effect-gptalk/Responder"
 * import * as Stream from "effect/Stream"
 *
 * const shout = Responder.make(({ prompt }) => Stream.make(prompt.toUpperCase(), "!"))
 * const layer = Responder.layer(shout)
 * @example
 * import * as Responder from "effect-gptalk/Responder"
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 *
 * class Database extends Context.Tag("Database")<Database, {
 *   readonly find: (words: string) => Stream.Stream<string, Error>
 * }>() {}
 *
 * // A layer that needs the Database.
 * const layer = Layer.effect(
 *   Responder.Responder,
 *   Effect.map(Database, (database) => Responder.make(({ prompt }) => database.find(prompt)))
 * )
 */
export const make = <S extends Stream.Stream<string, unknown>>(
  respond: (request: Request) => S
): Service<Stream.Stream.Error<S>> => ({
  // The branches of a function may fail differently: then `S` is a union of streams, and not a stream of the union.
  respond: respond as (request: Request) => Stream.Stream<string, Stream.Stream.Error<S>>
})

/** Every frame repeats the text, so the number of deltas is bounded: a longer prompt is echoed in longer pieces. */
const maxPieces = 200
const minPieceLength = 4

const pieces = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const length = Math.max(minPieceLength, Math.ceil(characters.length / maxPieces))
  return Arr.chunksOf(characters, length).map((piece) => piece.join(""))
}

/**
 * Answers `You said: <prompt>`, delta by delta.
 *
 * @since 0.1.0
 * @category constructors
 */
export const echo: Service<never> = make(({ prompt }) => Stream.fromIterable(pieces(`You said: ${prompt}`)))

/**
 * A layer from a responder that needs no services. With services, use `Layer.effect`: see `make`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (responder: Service): Layer.Layer<Responder> => Layer.succeed(Responder, responder)

/**
 * `echo` as a layer: the server answers `You said: <prompt>`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEcho: Layer.Layer<Responder> = layer(echo)
