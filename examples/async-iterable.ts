/**
 * The deltas in a plain `for await`, for code that is not written in Effect.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Layer, ManagedRuntime, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as EmbeddedServer from "./embedded-server.js"

// One for the whole program: it holds the session and the connections.
const runtime = ManagedRuntime.make(EmbeddedServer.layer.pipe(Layer.provide(NodeHttpClient.layerUndici)))

/** A `break` or a `throw` in the loop closes the connection; a failed reply is thrown. */
const ask = async function*(prompt: string): AsyncGenerator<string, void, undefined> {
  yield* await runtime.runPromise(Stream.toAsyncIterableEffect(GPTalk.streamText({ prompt })))
}

try {
  for await (const delta of ask("Hello, world")) process.stdout.write(delta)
  process.stdout.write("\n")
} finally {
  await runtime.dispose()
}
