/**
 * What the server answers with.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/**
 * The service that `GPTalkServer` asks for each reply.
 *
 * @since 0.1.0
 * @category tags
 */
export class Responder extends Context.Tag("effect-gptalk/Responder")<Responder, Service>() {}

/**
 * One question in, the deltas of one reply out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The deltas of the reply. A failure ends the reply with an error frame that does not say why; when the client goes
   * away, the stream is interrupted.
   */
  readonly respond: (request: Request) => Stream.Stream<string, unknown>
}

/**
 * What a client asked, as it came over the wire.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly prompt: string
  readonly model: string
  readonly temperature: number
  /** Empty where the client gave none. */
  readonly systemPrompt: string
  readonly contextMessages: number
}

/**
 * A responder from a function; however it fails, the client learns only that it did.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * import * as Responder from "effect-gptalk/Responder"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 *
 * const shout = Responder.make(({ prompt }) => Stream.make(prompt.toUpperCase(), "!"))
 * const layer = Layer.succeed(Responder.Responder, shout)
 */
export const make = <E>(respond: (request: Request) => Stream.Stream<string, E>): Service => Responder.of({ respond })

/** Every frame repeats the text, so the number of deltas is bounded: a long prompt comes back in longer pieces. */
const maxPieces = 200
const minPieceLength = 4

const pieces = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const length = Math.max(minPieceLength, Math.ceil(characters.length / maxPieces))
  return Array.from(
    { length: Math.ceil(characters.length / length) },
    (_, index) => characters.slice(index * length, (index + 1) * length).join("")
  )
}

/**
 * Answers `You said: <prompt>`, delta by delta.
 *
 * @since 0.1.0
 * @category constructors
 */
export const echo: Service = make(({ prompt }) => Stream.fromIterable(pieces(`You said: ${prompt}`)))

/**
 * A responder as the one that the server asks.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (responder: Service): Layer.Layer<Responder> => Layer.succeed(Responder, responder)

/**
 * The server answers `You said: <prompt>`, as with `echo`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEcho: Layer.Layer<Responder> = layer(echo)
