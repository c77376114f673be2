/**
 * One try of a call: ask with a session, open the stream, and its bytes as batches of deltas.
 *
 * The requests are sent by a fiber of their own and the body is read beside all fibers, so that one watcher can end
 * either wait: a race for each of them (`Effect.timeout`) costs about as much as the request.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Auth from "../Auth.js"
import * as GPTalkError from "../GPTalkError.js"
import * as Protocol from "../Protocol.js"
import * as Fault from "./fault.js"
import { FrameDecoder } from "./frameDecoder.js"
import { Patience } from "./patience.js"
import * as Secrets from "./secrets.js"
import type { Settings } from "./settings.js"
import * as Span from "./span.js"
import type { Connection, Transport } from "./transport.js"

/** @internal */
export interface Dependencies {
  readonly auth: Auth.Service
  readonly transport: Transport
  readonly settings: Settings
}

/**
 * What differs from one call to the next in the body of `text`.
 *
 * @internal
 */
export type Question = Pick<Protocol.TextRequest, "content" | "model" | "temperature" | "prompt" | "ctx_msg_count">

/**
 * The next deltas, or `undefined` at the end of the reply.
 *
 * @internal
 */
export type Pull = Effect.Effect<ReadonlyArray<string> | undefined, GPTalkError.GPTalkError>

/** @internal */
export interface Attempt {
  readonly pull: Pull
  readonly close: Span.Close
  /** Whether the consumer has come to `[DONE]`, and how many deltas have arrived. */
  readonly progress: () => { readonly isComplete: boolean; readonly deltas: number }
}

const fail = (error: GPTalkError.GPTalkError): Effect.Effect<never, GPTalkError.GPTalkError> => Effect.fail(error)

/** @internal */
export const make = Effect.fnUntraced(function*(
  { auth, settings, transport }: Dependencies,
  question: Question,
  /** All that the call has sent so far, to which this adds. */
  secrets: Array<string>
): Effect.fn.Return<Attempt> {
  const clock = yield* Effect.clock
  const scope = yield* Scope.make()
  const patience = new Patience(settings.timeouts, clock)
  const decoder = new FrameDecoder(settings.maxFrameSize)
  const opened = Deferred.unsafeMake<Connection, GPTalkError.GPTalkError>(FiberId.none)
  let connection: Connection | undefined
  let endSpan = Span.nothing
  let deltaCount = 0
  let isComplete = false

  const ask = (session: Redacted.Redacted<string>) =>
    Effect.suspend(() => {
      secrets.push(Redacted.value(session), Secrets.fingerprintOf(session) ?? "")
      patience.begin("text", "response")
      return transport.json({
        step: "text",
        bearer: session,
        answer: Protocol.TextAnswer,
        secrets,
        body: {
          ...question,
          accept: "stream",
          from: 1,
          is_mobile: 0,
          user_agent: transport.userAgent,
          is_open_ctx: 0,
          roid: 111,
          created_at: Math.floor(clock.unsafeCurrentTimeMillis() / 1000)
        } satisfies Protocol.TextRequest
      })
    }).pipe(
      Effect.ensuring(Effect.sync(() => patience.end())),
      Effect.map(({ data }) => Redacted.make(data.token)),
      Effect.withSpan("GPTalk.text", Span.options)
    )

  const open = (token: Redacted.Redacted<string>) =>
    Effect.flatMap(Span.open("GPTalk.stream"), ({ end, span }) => {
      endSpan = end
      secrets.push(Redacted.value(token))
      patience.begin("stream", "response")
      return Effect.map(Effect.withParentSpan(transport.open({ token, secrets, scope }), span), (opened) => {
        patience.begin("stream", "firstDelta")
        return connection = opened
      })
    })

  const sender = yield* Effect.suspend(() => auth.withToken(ask)).pipe(
    Effect.flatMap(open),
    Effect.intoDeferred(opened),
    Effect.interruptible,
    Effect.forkDaemon
  )

  const watcher = yield* patience.watch((error) => {
    Deferred.unsafeDone(opened, Effect.fail(error))
    connection?.body.end(Exit.fail(error))
  }).pipe(Effect.interruptible, Effect.forkDaemon)

  const isDone = () => decoder.outcome?._tag === "Done"

  const incomplete = () =>
    new GPTalkError.IncompleteReplyError({
      step: "stream",
      text: decoder.text.replace(/\p{Surrogate}/gu, "\ufffd")
    })

  const finish = ({ status }: Connection): Pull => {
    switch (decoder.outcome?._tag) {
      case "Done":
        isComplete = true
        return Effect.succeed(undefined)
      case "ServiceFault":
        return fail(Fault.toServiceError(decoder.outcome.fault, { step: "stream", status, secrets }))
      case "Malformed":
        return fail(new GPTalkError.ProtocolError({ step: "stream", issue: decoder.outcome.issue }))
      case undefined:
        return fail(incomplete())
    }
  }

  const receive = (connection: Connection, chunks: ReadonlyArray<Uint8Array>): Pull => {
    patience.handOver()
    const before = decoder.goodFrames
    const deltas: Array<string> = []
    for (const bytes of chunks) decoder.push(bytes, deltas)
    deltaCount += deltas.length
    // Until the first delta has come, the wait for it runs on, whatever else comes.
    if (deltaCount > 0 && decoder.goodFrames > before) patience.begin("stream", "idle")
    const next = deltas.length > 0 ? Effect.succeed(deltas) : read(connection)
    if (decoder.passedOver.length === 0) return next
    return Effect.zipRight(
      Effect.forEach(
        decoder.passedOver.splice(0),
        (issue) => Effect.logDebug(`unreadable frame passed over: ${issue}`)
      ),
      next
    )
  }

  const ended = (connection: Connection, broken?: GPTalkError.GPTalkError): Pull => {
    const deltas = decoder.end()
    if (deltas.length > 0) return Effect.succeed(deltas)
    if (decoder.outcome !== undefined || broken === undefined) return finish(connection)
    return fail(broken._tag === "ConnectionError" && deltaCount > 0 ? incomplete() : broken)
  }

  const read = (connection: Connection): Pull => {
    if (decoder.outcome !== undefined) return finish(connection)
    patience.pull()
    return Effect.matchEffect(connection.body.take, {
      onSuccess: (chunks) => chunks === undefined ? ended(connection) : receive(connection, chunks),
      onFailure: (error) => ended(connection, error)
    })
  }

  return {
    pull: Effect.suspend(() => {
      if (connection !== undefined) return read(connection)
      patience.pull()
      return Effect.flatMap(Deferred.await(opened), read)
    }),
    progress: () => ({ isComplete, deltas: deltaCount }),
    close: (exit) =>
      Effect.suspend(() => {
        // The end of the body is near; to wait for it costs less than to open another connection.
        if (isDone()) connection?.body.linger()
        return Fiber.interruptAll([sender, watcher]).pipe(
          Effect.zipRight(isDone() ? Effect.void : Scope.close(scope, exit)),
          Effect.zipRight(endSpan(exit))
        )
      })
  }
})
