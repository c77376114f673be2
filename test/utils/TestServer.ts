/**
 * The package's server on a socket of its own, what can be seen of it from outside, and the three requests of the
 * protocol made with plain `fetch`.
 */
import { FetchHttpClient, HttpLayerRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Protocol from "effect-gptalk/Protocol"
import * as Responder from "effect-gptalk/Responder"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface Options extends GPTalkServer.Options {
  readonly responder?: Responder.Service
  /** Added after the server's routes. */
  readonly middleware?: Layer.Layer<never, never, HttpLayerRouter.HttpRouter>
  /** The path below which the server's routes are. Default none. */
  readonly prefix?: string
  /** Whether requests are logged, as a server does that is not told otherwise. Default false. */
  readonly isLogging?: boolean
  /** Connections that are open at the end are left to the server to deal with. Default false, which is faster. */
  readonly keepConnections?: boolean
}

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly http: Http.Server
  readonly sockets: ReadonlySet<Socket>
  /** The sockets on which a reply was asked for, closed ones too. */
  readonly streamSockets: ReadonlyArray<Socket>
  /** The paths that were asked for, in order. */
  readonly requests: ReadonlyArray<string>
  readonly count: (path: string) => number
}

/** A responder that says nothing, and what it was asked. */
export const silentResponder = () => {
  const asked: Array<Responder.Request> = []
  const responder = Responder.make((request) => {
    asked.push(request)
    return Stream.empty
  })
  return { asked, responder }
}

type Handler = Effect.Effect<HttpServerResponse.HttpServerResponse, HttpLayerRouter.unhandled>

/** Middleware that changes how `stream` is answered. */
export const aroundStream = (change: (handler: Handler) => Handler) =>
  HttpLayerRouter.middleware(
    (handler) =>
      Effect.flatMap(
        HttpServerRequest.HttpServerRequest,
        ({ url }) => url.includes(Protocol.paths.stream) ? change(handler) : handler
      ),
    { global: true }
  )

/** Middleware that answers 408 to what takes too long. */
export const impatient = HttpLayerRouter.middleware(
  Effect.timeoutTo({
    duration: "100 millis",
    onSuccess: (response: HttpServerResponse.HttpServerResponse) => response,
    onTimeout: () => HttpServerResponse.empty({ status: 408 })
  }),
  { global: true }
)

/** The router of the program, for routes below a prefix; none is `""`. */
export const below = (
  prefix: string
): Layer.Layer<HttpLayerRouter.HttpRouter, never, HttpLayerRouter.HttpRouter> =>
  Layer.effect(
    HttpLayerRouter.HttpRouter,
    Effect.map(HttpLayerRouter.HttpRouter, (router) => prefix === "" ? router : router.prefixed(prefix))
  )

export const make = (
  {
    isLogging = false,
    keepConnections = false,
    middleware = Layer.empty,
    prefix = "",
    responder = Responder.echo,
    ...options
  }: Options = {}
): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Socket>()
    const streamSockets: Array<Socket> = []
    const requests: Array<string> = []
    const http = Http.createServer()
    http.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    http.on("request", (request) => {
      const path = request.url!.split("?")[0]!
      requests.push(path)
      if (path === Protocol.paths.stream) streamSockets.push(request.socket)
    })
    const routes = Layer.provideMerge(middleware, Layer.provide(GPTalkServer.layer(options), below(prefix)))
    yield* HttpLayerRouter.serve(routes, { disableListenLog: true, disableLogger: !isLogging })
      .pipe(
        Layer.provide(Responder.layer(responder)),
        Layer.provideMerge(NodeHttpServer.layer(() => http, { port: 0, host: "127.0.0.1" })),
        Layer.build,
        Effect.map(Context.get(HttpServer.HttpServer)),
        Effect.orDie
      )
    // `fetch` opens connections ahead of its requests, and a server that closes waits for them.
    if (!keepConnections) yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
    const { port } = http.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}${prefix}`,
      port,
      http,
      sockets,
      streamSockets,
      requests,
      count: (path) => requests.filter((asked) => asked === path).length
    }
  })

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

const json = { "content-type": "application/json" }

export const request = (url: string, init?: RequestInit): Effect.Effect<Answer> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { signal, ...init })
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.includes("json") === true
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  })

export const post = (url: string, body: unknown, headers: Record<string, string> = {}): Effect.Effect<Answer> =>
  request(url, {
    method: "POST",
    headers: { ...json, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

export const loginBody = { fingerprint: "0123456789abcdef0123456789abcdef", platform: "fingerprint" }

export const textBody = {
  content: "Hi",
  accept: "stream",
  from: 1,
  model: "gpt-3.5-turbo",
  is_mobile: 0,
  user_agent: "test",
  is_open_ctx: 0,
  prompt: "",
  roid: 111,
  temperature: 0,
  ctx_msg_count: 3,
  created_at: 0
} satisfies Protocol.TextRequest

export const login = (server: { readonly url: string }): Effect.Effect<Answer> =>
  post(server.url + Protocol.paths.login, loginBody)

export const text = (
  server: { readonly url: string },
  session: string,
  body: Partial<Protocol.TextRequest> = {}
): Effect.Effect<Answer> =>
  post(server.url + Protocol.paths.text, { ...textBody, ...body }, { authorization: `Bearer ${session}` })

export const streamUrl = (server: { readonly url: string }, token: string): string =>
  `${server.url + Protocol.paths.stream}?token=${encodeURIComponent(token)}`

export const stream = (server: { readonly url: string }, token: string): Effect.Effect<Answer> =>
  request(streamUrl(server, token))

export const newSession = (server: { readonly url: string }): Effect.Effect<string> =>
  Effect.map(login(server), (answer) => answer.body.data.token)

/** A server and a session on it. */
export const withSession = Effect.flatMap(
  make(),
  (server) => Effect.map(newSession(server), (session) => ({ server, session }))
)

/** A stream token, with a session of its own where none is given. */
export const newStreamToken = (server: { readonly url: string }, session?: string): Effect.Effect<string> =>
  Effect.flatMap(
    session === undefined ? newSession(server) : Effect.succeed(session),
    (session) => Effect.map(text(server, session), (answer) => answer.body.data.token)
  )

/** What a client sees of a reply. */
export const events = (responder: Responder.Service): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* make({ responder })
    return (yield* stream(server, yield* newStreamToken(server))).body as string
  })

/** GPTalk of the package, with this server for its service. */
export const layerClient = (server: { readonly url: string }, options?: GPTalk.Options) =>
  Layer.provide(GPTalk.layer({ ...options, url: server.url }), FetchHttpClient.layer)
