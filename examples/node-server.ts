/**
 * Node's HTTP server as a layer that ends at once: by itself it waits, at its end, for every connection that a client
 * has opened and not yet used.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"

export const layer = (options: { readonly host: string; readonly port: number }) =>
  Layer.unwrapEffect(Effect.sync(() => {
    const server = createServer()
    const closing = Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
    // What is built on top of the server is closed before it.
    return Layer.provideMerge(Layer.scopedDiscard(closing), NodeHttpServer.layer(() => server, options))
  }))
