/**
 * The deltas in a plain `for await`, for code that is not written in Effect.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as EmbeddedServer from "./embedded-server.js"

// One for the whole program: it holds the session and the connections.
const runtime = ManagedRuntime.make(EmbeddedServer.layer.pipe(Layer.provide(NodeHttpClient.layerUndici)))

/** Fails with the reason of the signal. */
const aborted = (signal: AbortSignal) =>
  Effect.async<never, unknown>((resume) => {
    const fail = () => resume(Effect.fail(signal.reason))
    signal.addEventListener("abort", fail, { once: true })
    if (signal.aborted) fail()
    return Effect.sync(() => signal.removeEventListener("abort", fail))
  })

/**
 * A failed reply is thrown. A `break` or a `throw` in the loop closes the connection, as does the signal when the loop
 * waits for a delta.
 */
const ask = (prompt: string, signal: AbortSignal): Promise<AsyncIterable<string>> =>
  GPTalk.streamText({ prompt }).pipe(
    Stream.interruptWhen(aborted(signal)),
    Stream.toAsyncIterableEffect,
    runtime.runPromise
  )

try {
  const reply = await ask("Hello, world", AbortSignal.timeout(60_000))
  for await (const delta of reply) process.stdout.write(delta)
  process.stdout.write("\n")
} finally {
  await runtime.dispose()
}
