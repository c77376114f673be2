/**
 * The package's server on each kind of host, asked in the same way.
 */
import { HttpLayerRouter } from "@effect/platform"
import { Effect, Layer, type Scope } from "effect"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Responder from "effect-gptalk/Responder"
import * as TestServer from "./TestServer.js"

export type Send = (path: string, init?: RequestInit) => Effect.Effect<Response>

type Host = (options: TestServer.Options) => Effect.Effect<Send, never, Scope.Scope>

const onNode: Host = (options) =>
  Effect.map(TestServer.make(options), ({ url }) => (path, init) => Effect.promise(() => fetch(url + path, init)))

/** What answers the requests of a web handler with these routes. */
export const handlerOf = (
  routes: Layer.Layer<never, never, HttpLayerRouter.HttpRouter>
): Effect.Effect<(request: Request) => Promise<Response>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => HttpLayerRouter.toWebHandler(routes, { disableLogger: true })),
    ({ dispose }) => Effect.promise(dispose)
  ).pipe(Effect.map(({ handler }) => (request) => handler(request)))

export const webHandler: Host = ({ middleware = Layer.empty, responder = Responder.echo, ...options }) => {
  const routes = Layer.provideMerge(middleware, GPTalkServer.layer(options))
  return Effect.map(
    handlerOf(Layer.provide(routes, Responder.layer(responder))),
    (handle) => (path, init) => Effect.promise(() => handle(new Request(`http://gptalk.test${path}`, init)))
  )
}

export const hosts: Readonly<Record<string, Host>> = { "on Node": onNode, "in a web handler": webHandler }

export const post = (send: Send, path: string, body: unknown, authorization = "") =>
  Effect.flatMap(
    send(path, { method: "POST", headers: { authorization }, body: JSON.stringify(body) }),
    (response) => Effect.promise(async () => ({ status: response.status, body: JSON.parse(await response.text()) }))
  )
