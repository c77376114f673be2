/**
 * Real proxies, and a service to reach through them.
 */
import { Protocol } from "effect-gptalk"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { createProxy, type ProxyServer } from "proxy"

export const listen = (server: Http.Server, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, host, () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

/** A GPTalk server; `hang` leaves the stream open after the first delta. */
export const makeService = (options?: { readonly hang?: boolean; readonly host?: string }) =>
  Effect.gen(function*() {
    const paths: Array<string> = []
    const streams = { open: 0 }
    const server = Http.createServer((request, response) => {
      const path = request.url!.split("?")[0]!
      paths.push(path)
      request.resume()
      if (path === Protocol.paths.stream) {
        streams.open++
        response.on("close", () => streams.open--)
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write("data: {\"content\":\"Hel\"}\n\n")
        if (options?.hang !== true) response.end("data: {\"content\":\"Hello\"}\n\ndata: [DONE]\n\n")
      } else {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({ data: { token: "token", expires_at: 4e9 } }))
      }
    })
    const port = yield* listen(server, options?.host)
    return { url: `http://${options?.host === "::1" ? "[::1]" : "127.0.0.1"}:${port}`, port, paths, streams }
  })

/** A proxy that notes what it is asked to connect to, and with what credentials. */
export const makeProxy = (options?: { readonly authorization?: string }) =>
  Effect.gen(function*() {
    const targets: Array<string> = []
    const authorizations: Array<string | undefined> = []
    const sockets = { open: 0 }
    const server: ProxyServer = createProxy(Http.createServer())
    server.on("connect", (request) => {
      targets.push(request.url!)
      authorizations.push(request.headers["proxy-authorization"])
    })
    server.on("connection", (socket) => {
      sockets.open++
      socket.on("close", () => sockets.open--)
    })
    if (options?.authorization !== undefined) {
      server.authenticate = (request) => request.headers["proxy-authorization"] === options.authorization
    }
    // A tunnel is no longer the server's, so nothing but its other end closes it.
    const port = yield* listen(server)
    return { host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}`, targets, authorizations, sockets }
  })

/** A proxy that closes each connection once it is asked for a tunnel. */
export const makeClosingProxy = Effect.gen(function*() {
  const asked = { count: 0 }
  const server = Http.createServer()
  server.on("connect", (_, socket) => {
    asked.count++
    socket.end()
  })
  return { url: `http://127.0.0.1:${yield* listen(server)}`, asked }
})

/** A proxy that never answers, and how many connections to it are open. */
export const makeSilentProxy = Effect.gen(function*() {
  const sockets = { open: 0 }
  const server = Http.createServer()
  server.on("connect", (_, socket) => {
    sockets.open++
    socket.on("close", () => sockets.open--)
    socket.on("end", () => socket.end())
    socket.resume()
  })
  return { url: `http://127.0.0.1:${yield* listen(server)}`, sockets }
})

/** A web server that answers whatever it is asked, a tunnel too, with a page. */
export const makeWebServer = Effect.gen(function*() {
  const asked = { count: 0 }
  const server = Http.createServer()
  server.on("connect", (_, socket) => {
    asked.count++
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello")
  })
  return { url: `http://127.0.0.1:${yield* listen(server)}`, asked }
})
