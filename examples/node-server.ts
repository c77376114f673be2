/**
 * Node's HTTP server as a layer that ends at once: by itself it waits, at its end, for every connection that a client
 * has opened and not yet used. It speaks HTTP/1.1 with all clients, also with those that would like another protocol.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"

export const layer = (options: { readonly host: string; readonly port: number }) =>
  Layer.unwrapEffect(Effect.sync(() => {
    const server = createServer()
    // The platform listens for requests of another protocol, and dies of their errors. Unheard, Node answers as usual.
    server.on("newListener", (event: string, listener: () => void) => {
      if (event === "upgrade") process.nextTick(() => server.off("upgrade", listener))
    })
    const closing = Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
    // What is built on top of the server is closed before it.
    return Layer.provideMerge(Layer.scopedDiscard(closing), NodeHttpServer.layer(() => server, options))
  }))
