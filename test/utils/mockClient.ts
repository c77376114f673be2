/**
 * An `HttpClient` answered in memory, each of the three requests by a handler that a test may replace, and a record
 * of what was asked.
 */
import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { Clock, Effect, Layer } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as Protocol from "effect-gptalk/Protocol"

export type Step = keyof typeof Protocol.paths

export interface Received {
  readonly step: Step | undefined
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** Milliseconds of the test clock. */
  readonly at: number
  /** Aborted when the client has let go of the request. */
  readonly signal: AbortSignal
}

/** `index` counts the requests of the same step. An error is a connection that fails. */
export type Handler = (received: Received, index: number) => Response | Effect.Effect<Response, Error>

export interface MockClient {
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  readonly requests: ReadonlyArray<Received>
  readonly of: (step: Step) => ReadonlyArray<Received>
  readonly count: (step: Step) => number
}

export const json = (body: unknown, init?: ResponseInit): Response =>
  new Response(JSON.stringify(body), { ...init, headers: { "content-type": "application/json", ...init?.headers } })

export const frame = (content: string): string => `data: ${JSON.stringify({ content })}\n\n`

export const done = "data: [DONE]\n\n"

/** A reply whose frames carry these texts, each the whole so far, and `[DONE]`. */
export const reply = (...contents: ReadonlyArray<string>): Response => eventStream(...contents.map(frame), done)

/** The body as these chunks, and then its end. */
export const eventStream = (...chunks: ReadonlyArray<string>): Response => {
  const source = new Source()
  for (const chunk of chunks) source.emit(chunk)
  source.end()
  return source.response
}

/** An event stream that the test writes by hand. */
export class Source {
  private controller!: ReadableStreamDefaultController<Uint8Array>
  private readonly encoder = new TextEncoder()
  readonly response: Response
  /** How often the client has asked for more than there was. */
  pulls = 0
  isCancelled = false
  private onCancel!: () => void
  /** Resolved when the client has let go of the body. */
  readonly cancelled = new Promise<void>((resolve) => {
    this.onCancel = resolve
  })

  constructor(onPull: (source: Source) => void = () => {}) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.controller = controller
      },
      pull: () => {
        this.pulls++
        onPull(this)
      },
      cancel: () => {
        this.isCancelled = true
        this.onCancel()
      }
    }, { highWaterMark: 0 })
    this.response = new Response(body, { headers: { "content-type": "text/event-stream" } })
  }

  emit(text: string): void {
    this.controller.enqueue(this.encoder.encode(text))
  }

  end(): void {
    this.controller.close()
  }

  break(message = "socket hang up"): void {
    this.controller.error(new Error(message))
  }
}

/** What is answered where a test gives no handler: "Hello!" in three deltas. */
export const defaults: { readonly [K in Step]: (received: Received, index: number) => Response } = {
  login: ({ at }, index) => json({ data: { token: `session-token-${index}`, expires_at: at / 1000 + 3600 } }),
  text: (_, index) => json({ data: { token: `stream-token-${index}` } }),
  stream: () => reply("Hel", "Hello", "Hello!")
}

/** Logins that take a second. */
export const slowLogin: Handler = (received, index) =>
  Effect.delay(Effect.sync(() => defaults.login(received, index)), "1 second")

const stepOf = (url: URL): Step | undefined =>
  (Object.keys(Protocol.paths) as Array<Step>).find((step) => url.pathname.endsWith(Protocol.paths[step]))

export const make = (handlers: { readonly [K in Step]?: Handler } = {}): MockClient => {
  const all = { ...defaults, ...handlers }
  const requests: Array<Received> = []
  const of = (step: Step) => requests.filter((received) => received.step === step)
  const client = HttpClient.make((request, url, signal) =>
    Effect.gen(function*() {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : undefined
      const step = stepOf(url)
      const at = yield* Clock.currentTimeMillis
      // Nothing between this and the record yields to other requests.
      const index = step === undefined ? 0 : of(step).length
      const received: Received = {
        step,
        method: request.method,
        url,
        headers: request.headers,
        body: body === undefined ? undefined : JSON.parse(body) as Record<string, unknown>,
        at,
        signal
      }
      requests.push(received)
      const answer = step === undefined ? new Response(null, { status: 404 }) : all[step](received, index)
      const response = Effect.isEffect(answer)
        ? yield* Effect.mapError(answer, (cause) =>
          new HttpClientError.RequestError({ request, reason: "Transport", cause }))
        : answer
      return HttpClientResponse.fromWeb(request, response)
    })
  )
  return { layer: Layer.succeed(HttpClient.HttpClient, client), requests, of, count: (step) => of(step).length }
}

/** GPTalk over this client. */
export const provide = (client: MockClient, options?: GPTalk.Options) =>
  Effect.provide(Layer.provide(GPTalk.layer(options), client.layer))

/** GPTalk over this client, without retries. */
export const provideOnce = (client: MockClient, options?: GPTalk.Options) => provide(client, { retries: 0, ...options })

/** A service whose reply is written by the test. */
export const streaming = (source: Source): MockClient => make({ stream: () => source.response })
