/**
 * A GPTalk server on a bare socket. It keeps to the protocol until it is told what to do instead, and then can do all
 * that a server, a proxy or a network may do: what a framework would not let a handler say, it says byte by byte.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import * as Protocol from "../../src/Protocol.js"

export type Step = "login" | "text" | "stream"
export const steps: ReadonlyArray<Step> = ["login", "text", "stream"]

/** One request, and all that may be done to who made it. */
export interface Exchange {
  readonly step: Step
  readonly socket: Net.Socket
  /** What the client has told this server so far and was told by it, for a server that cannot keep it to itself. */
  readonly secrets: string
  /** An origin that is another server's. */
  readonly elsewhere: string
  /** The right answer: its headers without those that say how long it is, and its body in the parts it is sent in. */
  readonly headers: Headers
  readonly body: ReadonlyArray<string>
  readonly head: (status: number, headers: Headers) => void
  /** A whole answer of a known length. */
  readonly answer: (status: number, headers: Headers, body: string) => void
  /** Writes the last bytes of an answer, after which the connection may be used again. */
  readonly end: (last: string) => void
  /** The right answer after all. */
  readonly comply: () => void
  /** Forgets every session given out so far. */
  readonly revoke: () => void
  /** Runs when the client has had the time to read what was sent, if the socket is still open. */
  readonly later: (f: () => void) => void
}

export type Headers = Readonly<Record<string, string | number>>

/** `refuse` takes no connection at that step; the others get a request to mistreat. */
export type Fault = "refuse" | ((exchange: Exchange) => void)

export interface Options {
  readonly faults?: Partial<Record<Step, Fault>>
  /** How many requests a fault meets. Default all. */
  readonly times?: number | undefined
  /** How many uses a session has in truth. */
  readonly uses?: number | undefined
  /** How many streams a stream token is good for. */
  readonly streams?: number | undefined
  /** Whether a spent or unknown session is answered without `data` or with this status. */
  readonly refusal?: number | undefined
  /** When sessions expire, in Unix seconds. */
  readonly expiresAt?: number | undefined
  readonly deltas?: ReadonlyArray<string> | undefined
  /** Whether to know again what was given out. Without that, any token will do and nothing grows. Default true. */
  readonly remembers?: boolean | undefined
}

export interface FaultServer {
  readonly url: string
  readonly requests: Readonly<Record<Step, number>>
  /** Tokens, fingerprints and prompts that went over the wire. */
  readonly secrets: ReadonlySet<string>
  /** What the other origin was sent, by whom it should not. */
  readonly strayed: ReadonlyArray<string>
  readonly openSockets: number
  /** Sockets on which a request has come whose answer is not at its end. */
  readonly pending: number
}

export const deltas: ReadonlyArray<string> = ["Grüß", " dich, ", "Welt", " 🎉"]
export const reply = deltas.join("")

/** The frames of a reply, and the one that ends it. */
export const frames = (deltas: ReadonlyArray<string>): ReadonlyArray<string> => {
  let content = ""
  return [...deltas.map((delta) => `data: ${JSON.stringify({ content: content += delta })}\n\n`), "data: [DONE]\n\n"]
}

/** Base64, so that a token has in it what must be escaped in a URL. */
const newToken = (): string => Crypto.randomBytes(36).toString("base64")

interface Request {
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const listen = (onSocket: (socket: Net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Net.Server; readonly sockets: Set<Net.Socket>; readonly url: string }>((resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer({ noDelay: true }, (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
        onSocket(socket)
      })
      server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () =>
        resume(Effect.succeed({
          server,
          sockets,
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        })))
    }),
    ({ server, sockets }) =>
      Effect.async<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        if (server.listening) server.close(() => resume(Effect.void))
        else resume(Effect.void)
      })
  )

/** Calls back with each request of a connection, the next only when the answer to the one before is at its end. */
const readRequests = (socket: Net.Socket, onRequest: (request: Request, done: () => void) => void) => {
  let received = Buffer.alloc(0)
  let isBusy = false
  const next = () => {
    const end = received.indexOf("\r\n\r\n")
    if (isBusy || end === -1) return
    const [first = "", ...lines] = received.subarray(0, end).toString("latin1").split("\r\n")
    const headers = Object.fromEntries(lines.map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }))
    const start = end + 4
    const size = Number(headers["content-length"] ?? 0)
    if (received.length < start + size) return
    const body = received.subarray(start, start + size).toString()
    received = received.subarray(start + size)
    isBusy = true
    onRequest({ target: first.split(" ")[1] ?? "", headers, body }, () => {
      isBusy = false
      next()
    })
  }
  socket.on("data", (bytes) => {
    received = Buffer.concat([received, bytes])
    next()
  })
}

const stepOf = (request: Request): Step | undefined =>
  steps.find((step) => request.target.split("?")[0] === Protocol.paths[step])

export const make = (options: Options = {}): Effect.Effect<FaultServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const requests = { login: 0, text: 0, stream: 0 }
    const secrets = new Set<string>()
    const strayed: Array<string> = []
    const uses = new Map<string, number>()
    const streamTokens = new Set<string>()
    /** What a session or a stream token was given for. */
    const history = new Map<string, ReadonlyArray<string>>()
    let prompts: ReadonlyArray<string> = []
    const pending = new Set<Net.Socket>()

    const other = yield* listen((socket) => {
      socket.on("data", (bytes) => {
        strayed.push(bytes.toString())
        socket.end("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
      })
    })

    const json = (value: unknown) => ({
      status: 200,
      headers: { "content-type": "application/json" },
      body: [JSON.stringify(value)]
    })
    const refused = {
      ...json({ code: 1007, msg: "this session is over" }),
      ...options.refusal === undefined ? {} : { status: options.refusal }
    }
    const issue = (past: ReadonlyArray<string>) => {
      const token = newToken()
      if (options.remembers === false) return token
      secrets.add(token)
      history.set(token, [token, ...past])
      return token
    }
    const presented = (step: Step, request: Request) =>
      step === "stream"
        ? new URL(request.target, main.url).searchParams.get("token") ?? ""
        : (request.headers["authorization"] ?? "").replace("Bearer ", "")
    const told = (request: Request): ReadonlyArray<string> => {
      const json = request.body === "" ? {} : JSON.parse(request.body)
      return [json.fingerprint, json.content, json.prompt].filter((value) => typeof value === "string" && value !== "")
    }

    /** What a server that keeps to the protocol says. */
    const rightAnswer = (step: Step, request: Request) => {
      switch (step) {
        case "login": {
          const token = issue(told(request))
          if (options.remembers !== false) uses.set(token, options.uses ?? Infinity)
          return json({ data: { token, expires_at: options.expiresAt ?? Math.floor(Date.now() / 1000) + 3600 } })
        }
        case "text": {
          const session = presented(step, request)
          prompts = told(request)
          const token = issue(history.get(session) ?? [])
          if (options.remembers !== false) {
            const left = uses.get(session) ?? 0
            if (left <= 0) return refused
            uses.set(session, left - 1)
            streamTokens.add(token)
          }
          return json({ data: { token } })
        }
        case "stream": {
          if (options.remembers !== false) {
            if (!streamTokens.delete(presented(step, request)) || options.streams === 0) return refused
          }
          return {
            status: 200,
            headers: { "content-type": "text/event-stream; charset=utf-8" },
            body: frames(options.deltas ?? deltas)
          }
        }
      }
    }

    const onRequest = (socket: Net.Socket, request: Request, done: () => void) => {
      const step = stepOf(request)
      if (step === undefined) return void socket.destroy()
      requests[step]++
      pending.add(socket)
      if (options.remembers !== false) { for (const secret of told(request)) secrets.add(secret) }
      const fault = options.faults?.[step]
      const nextStep = steps[steps.indexOf(step) + 1]
      const isLast = nextStep !== undefined && options.faults?.[nextStep] === "refuse"
      if (isLast) {
        main.server.close()
        for (const other of main.sockets) if (other !== socket) other.destroy()
      }
      const isClosing = isLast || request.headers["connection"] === "close"

      const words = () =>
        [...step === "login" ? told(request) : history.get(presented(step, request)) ?? [], ...prompts].join(" ")
      const head = (status: number, headers: Headers) => {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
        // The reason is the server's own words too.
        socket.write(
          `HTTP/1.1 ${status} Said ${[...secrets].join(" ").replace(/[^\x20-\x7e]+/g, " ")}\r\n${
            lines.join("")
          }connection: ${isClosing ? "close" : "keep-alive"}\r\n\r\n`
        )
      }
      const end = (last: string) => {
        socket.write(last, () => {
          pending.delete(socket)
          if (isClosing) socket.end()
          done()
        })
      }
      const answer = (status: number, headers: Headers, body: string) => {
        head(status, { ...headers, "content-length": Buffer.byteLength(body) })
        end(body)
      }
      const right = rightAnswer(step, request)
      const comply = () => {
        if (right.body.length === 1) return answer(right.status, right.headers, right.body.join(""))
        head(right.status, { ...right.headers, "transfer-encoding": "chunked" })
        for (const part of right.body) socket.write(chunk(part))
        end(chunk(""))
      }

      if (typeof fault !== "function" || requests[step] > (options.times ?? Infinity)) return comply()
      fault({
        step,
        socket,
        secrets: words(),
        elsewhere: other.url,
        headers: right.headers,
        body: right.body,
        head,
        answer,
        end,
        comply,
        revoke: () => uses.clear(),
        later: (f) => {
          const timer = setTimeout(f, 40)
          socket.on("close", () => clearTimeout(timer))
        }
      })
    }

    const main = yield* listen((socket) => {
      socket.on("close", () => pending.delete(socket))
      readRequests(socket, (request, done) => onRequest(socket, request, done))
    })
    if (options.faults?.login === "refuse") yield* Effect.sync(() => main.server.close())

    return {
      url: main.url,
      requests,
      secrets,
      strayed,
      get openSockets() {
        return main.sockets.size
      },
      get pending() {
        return pending.size
      }
    }
  })

/** A piece of a body in the chunked encoding; the empty one ends it. */
export const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
