/**
 * For tests of programs that use GPTalk: an `HttpClient` that the real server routes answer in memory, with replies
 * and faults that the test chooses. No socket is opened, and with `TestClock` no real time passes.
 *
 * Under `it.effect`, a call that is retried therefore never ends its backoff, and one that is stalled never times out.
 * Fork the call and use `TestClock.adjust`, or use `it.live`. To avoid the backoff alone,
 * `GPTalk.layer({ retries: 0 })` is enough.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Step } from "./GPTalkError.js"
import * as GPTalkServer from "./GPTalkServer.js"
import * as Memory from "./internal/memoryServer.js"
import { toResponderRequest } from "./internal/requestBody.js"
import * as Scripted from "./internal/scripted.js"
import * as Protocol from "./Protocol.js"
import * as Responder from "./Responder.js"

/**
 * One reply: a whole text, a list of deltas, or a stream of deltas.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply = string | ReadonlyArray<string> | Stream.Stream<string, unknown>

/**
 * The replies of the service and its faults. All are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The replies, used in order, or a function from the request to its reply. A call for which no reply is left dies.
   * Default: `You said: <prompt>`, delta by delta.
   *
   * If the function throws, the server fails the reply and logs why; the program does not learn that. So an assertion
   * about what was asked belongs after the call, on `requests`.
   */
  readonly replies?: ReadonlyArray<Reply> | ((request: Responder.Request) => Reply) | undefined
  /**
   * The faults of each step: one for all its requests, or a list whose n-th entry applies to the n-th request. Where
   * the list has no entry, the request is answered normally.
   */
  readonly faults?: {
    readonly login?: Faults<Fault> | undefined
    readonly text?: Faults<Fault | Revoke> | undefined
    readonly stream?: Faults<Fault> | undefined
  } | undefined
  /** The options of the server, such as `usageLimit` and `sessionLifetime`. Default: those of `GPTalkServer.layer`. */
  readonly server?: GPTalkServer.Options | undefined
}

type Faults<A> = A | ReadonlyArray<A | undefined>

/**
 * A request that was made, without tokens and fingerprint.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received {
  readonly step: Step
  /** Without `authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** What `text` asked, as a `Responder` gets it. `undefined` for the other steps. */
  readonly asked: Responder.Request | undefined
  /** When the request was made, by `Clock`, in Unix milliseconds. */
  readonly at: number
}

/**
 * The requests made so far, in order. `layerHttpClient` provides it.
 *
 * @since 0.1.0
 * @category tags
 */
export class Requests extends Context.Tag("effect-gptalk/GPTalkTest/Requests")<
  Requests,
  Effect.Effect<ReadonlyArray<Received>>
>() {}

/**
 * The requests made so far, in order.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * const layer = GPTalk.layer().pipe(Layer.provideMerge(GPTalkTest.layerHttpClient()))
 *
 * const program = Effect.gen(function*() {
 *   yield* GPTalk.generateText({ prompt: "Hi" })
 *   const requests = yield* GPTalkTest.requests
 *   console.log(requests.map(({ step }) => step)) // ["login", "text", "stream"]
 * }).pipe(Effect.provide(layer))
 */
export const requests: Effect.Effect<ReadonlyArray<Received>, never, Requests> = Effect.flatten(Requests)

/**
 * A fault of one request. See the constructors.
 *
 * @since 0.1.0
 * @category faults
 */
export type Fault =
  | { readonly _tag: "Refuse" }
  | { readonly _tag: "Answer"; readonly status: number; readonly body: string; readonly headers: AnswerHeaders }
  | { readonly _tag: "Silence" }
  | { readonly _tag: "Stall" | "CutOff" | "End"; readonly after: number }
  | { readonly _tag: "Line"; readonly line: string; readonly after: number }

type AnswerHeaders = Readonly<Record<string, string>>

/**
 * The connection is refused. The client retries the call after a backoff, which under `TestClock` ends only when that
 * is adjusted.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * import { assert, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Fiber from "effect/Fiber"
 * import * as Layer from "effect/Layer"
 * import * as TestClock from "effect/TestClock"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * // The first connection is refused, the second login succeeds.
 * const client = GPTalkTest.layerHttpClient({ faults: { login: [GPTalkTest.refuse] } })
 *
 * it.effect("logs in again", () =>
 *   Effect.gen(function*() {
 *     const fiber = yield* Effect.fork(GPTalk.generateText({ prompt: "Hi" }))
 *     yield* TestClock.adjust("1 second")
 *     assert.strictEqual(yield* Fiber.join(fiber), "You said: Hi")
 *   }).pipe(Effect.provide(GPTalk.layer().pipe(Layer.provide(client)))))
 */
export const refuse: Fault = { _tag: "Refuse" }

/**
 * The fault that ends a session, for `text` only. See `revoke`.
 *
 * @since 0.1.0
 * @category faults
 */
export interface Revoke {
  readonly _tag: "Revoke"
}

/**
 * For `text`: the service ends the session of the request. This request, and all later ones of the session, get a 401.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * // The second reply needs another login.
 * const layer = GPTalkTest.layerHttpClient({ faults: { text: [undefined, GPTalkTest.revoke] } })
 */
export const revoke: Revoke = { _tag: "Revoke" }

/**
 * A response in place of the server's. The status is from 200 to 599; any other throws a `RangeError`. A string is sent
 * as it is, any other body as JSON. Default: no body.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * const busy = GPTalkTest.answer(429, { body: { code: 429, msg: "busy" }, headers: { "retry-after": "2" } })
 * const layer = GPTalkTest.layerHttpClient({ faults: { text: [busy] } })
 */
export const answer = (
  status: number,
  options?: { readonly body?: unknown; readonly headers?: AnswerHeaders | undefined }
): Fault => {
  if (!(Number.isInteger(status) && status >= 200 && status <= 599)) {
    throw new RangeError(`GPTalkTest.answer: expected a status from 200 to 599, found ${status}`)
  }
  const { body = "", headers } = options ?? {}
  return typeof body === "string"
    ? { _tag: "Answer", status, body, headers: { ...headers } }
    : {
      _tag: "Answer",
      status,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers }
    }
}

/**
 * Nothing more is sent after `after` frames of the reply. Without `after`, there is no response at all. `[DONE]` is the
 * last frame; the response of `login` or `text` is one frame. A reply with fewer frames is not affected.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * const layer = GPTalkTest.layerHttpClient({ faults: { stream: GPTalkTest.stall({ after: 2 }) } })
 */
export const stall = (options?: { readonly after?: number | undefined }): Fault =>
  options?.after === undefined ? { _tag: "Silence" } : { _tag: "Stall", after: options.after }

/**
 * The connection breaks after `after` frames of the reply, counted as for `stall`. Default 0.
 *
 * @since 0.1.0
 * @category faults
 */
export const cutOff = (options?: { readonly after?: number | undefined }): Fault => ({
  _tag: "CutOff",
  after: options?.after ?? 0
})

/**
 * The response ends normally after `after` frames of the reply, counted as for `stall`: without `[DONE]`, for instance.
 * Default 0.
 *
 * @since 0.1.0
 * @category faults
 */
export const end = (options?: { readonly after?: number | undefined }): Fault => ({
  _tag: "End",
  after: options?.after ?? 0
})

/**
 * Inserts a line between the frames of the reply, after `after` of them. Default 0. `[DONE]` is the last frame.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * const layer = GPTalkTest.layerHttpClient({ faults: { stream: GPTalkTest.line("data: {oops", { after: 1 }) } })
 */
export const line = (line: string, options?: { readonly after?: number | undefined }): Fault => ({
  _tag: "Line",
  line,
  after: options?.after ?? 0
})

/**
 * An `HttpClient` that the routes of `GPTalkServer` answer in memory, whatever the URL, and the `Requests` made. Each
 * build of the layer starts without a session and with the first reply.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import { assert, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as GPTalkTest from "effect-gptalk/GPTalkTest"
 *
 * const program = GPTalk.generateText({ prompt: "Say hi" })
 *
 * it.effect("says hi", () =>
 *   Effect.gen(function*() {
 *     assert.strictEqual(yield* program, "Hi!")
 *   }).pipe(Effect.provide(GPTalk.layer().pipe(Layer.provide(GPTalkTest.layerHttpClient({ replies: ["Hi!"] }))))))
 */
export const layerHttpClient = (options?: Options): Layer.Layer<HttpClient.HttpClient | Requests> =>
  Layer.scopedContext(make(options ?? {}))

const decodeText = Schema.decodeUnknownOption(Schema.parseJson(Protocol.TextRequest))

const asked = (body: string): Responder.Request | undefined =>
  Option.getOrUndefined(Option.map(decodeText(body), toResponderRequest))

const stepOf = (url: URL): Step | undefined =>
  (["login", "text", "stream"] as const).find((step) => url.pathname.endsWith(Protocol.paths[step]))

const sessionOver = Memory.textAnswer(401, "{\"code\":401,\"msg\":\"the session is over\"}", {
  "content-type": "application/json"
})

const make = Effect.fnUntraced(function*({ faults = {}, replies, server }: Options) {
  const received: Array<Received> = []
  const revoked = new Set<string | undefined>()
  const { reserve, responder } = Scripted.make(replies)
  const serve = yield* Memory.make(Layer.provide(GPTalkServer.layer(server), Responder.layer(responder)))

  const respond = Effect.fnUntraced(function*(
    step: Step,
    request: HttpClientRequest.HttpClientRequest,
    url: URL
  ): Effect.fn.Return<Memory.Answer, HttpClientError.RequestError, Scope.Scope> {
    const { authorization, ...headers } = request.headers
    const at = yield* Clock.currentTimeMillis
    // Counted and recorded at once, or requests at the same moment would count alike.
    const count = received.filter((other) => other.step === step).length
    received.push({ step, headers, asked: step === "text" ? asked(Memory.bodyText(request)) : undefined, at })
    const planned = faults[step]
    const fault = planned === undefined || "_tag" in planned ? planned : planned[count]
    if (fault?._tag === "Revoke") revoked.add(authorization)
    if (fault?._tag === "Revoke" || (step === "text" && revoked.has(authorization))) return sessionOver
    if (fault?._tag === "Refuse") return yield* Memory.connectionRefused(request)
    if (fault?._tag === "Answer") return Memory.textAnswer(fault.status, fault.body, fault.headers)
    if (fault?._tag === "Silence") return yield* Effect.never
    const answer = yield* serve(request, new URL(Protocol.paths[step] + url.search, url))
    // A reply that a fault keeps from beginning is left for the retry.
    if (step === "stream" && answer.status === 200 && !Memory.preventsBody(fault)) yield* reserve
    return fault === undefined ? answer : Memory.applyFault(answer, fault)
  })

  const client = HttpClient.make((request, url, signal) => {
    const step = stepOf(url)
    return Effect.map(
      Memory.untilBodyEnds(step === undefined ? serve(request, url) : respond(step, request, url), signal),
      (answer) => Memory.toClientResponse(request, answer)
    )
  })
  return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Requests, Effect.sync(() => [...received])))
})
