/**
 * Everything that a server may do wrong.
 */
import type { Exchange, Fault, Headers } from "./FaultServer.js"
import { chunk, frames } from "./FaultServer.js"

const isStream = (x: Exchange): boolean => x.step === "stream"
const json: Headers = { "content-type": "application/json" }
const chunked = (x: Exchange): Headers => ({ ...x.headers, "transfer-encoding": "chunked" })
const whole = (x: Exchange): string => x.body.join("")

/** The status line and the headers, as far as they can be right when the body will not be. */
const begin = (x: Exchange): void =>
  x.head(200, isStream(x) ? chunked(x) : { ...x.headers, "content-length": Buffer.byteLength(whole(x)) })

/** A part of the answer: half an object, or two frames and half of the third. */
const part = (x: Exchange): string => {
  if (!isStream(x)) return whole(x).slice(0, whole(x).length / 2)
  const [first = "", second = "", third = ""] = x.body
  return first + second + third.slice(0, third.length / 2)
}

const beginPart = (x: Exchange): void => {
  begin(x)
  x.socket.write(isStream(x) ? chunk(part(x)) : part(x))
}

const forEver = (x: Exchange, text: string): void => {
  if (x.socket.destroyed || !x.socket.writable) return
  if (x.socket.write(text)) setImmediate(() => forEver(x, text))
  else x.socket.once("drain", () => forEver(x, text))
}

const nowAndThen = (x: Exchange, text: string): void => {
  const timer = setInterval(() => x.socket.write(text), 50)
  x.socket.on("close", () => clearInterval(timer))
}

const status = (status: number, headers: (x: Exchange) => Headers = () => ({})): Fault => (x) =>
  x.answer(status, { ...json, ...headers(x) }, JSON.stringify({ code: status * 10, msg: `no, ${x.secrets}` }))

const says = (type: string, body: (x: Exchange) => string): Fault => (x) =>
  x.answer(200, { "content-type": type }, body(x))

const inSeconds = (seconds: number) => (): Headers => ({
  "retry-after": new Date(Date.now() + seconds * 1000).toUTCString()
})

const kilobyte = "x".repeat(1024)

export const faults = {
  "refuses the connection": "refuse",
  "resets before the answer": (x) => x.socket.resetAndDestroy(),
  "resets after the headers": (x) => {
    begin(x)
    x.later(() => x.socket.resetAndDestroy())
  },
  "resets with the headers": (x) => {
    begin(x)
    x.socket.resetAndDestroy()
  },
  "resets in the body": (x) => {
    beginPart(x)
    x.later(() => x.socket.resetAndDestroy())
  },
  "stalls before the headers": () => {},
  "stalls after the headers": begin,
  "stalls in the body": beginPart,
  "keeps alive what is dead from the start": (x) => {
    x.head(200, chunked(x))
    nowAndThen(x, chunk(isStream(x) ? ": keepalive\n\n" : " "))
  },
  "keeps alive what died on the way": (x) => {
    x.head(200, chunked(x))
    x.socket.write(chunk(isStream(x) ? x.body.slice(0, 2).join("") : "{"))
    nowAndThen(x, chunk(isStream(x) ? "\n: keepalive\n\ndata:\n\nevent: ping\n\n" : " "))
  },
  "trickles byte by byte": (x) => {
    const bytes = Buffer.from(isStream(x) ? x.body.map(chunk).join("") + chunk("") : whole(x))
    begin(x)
    const next = (index: number) => {
      if (index === bytes.length) return x.end("")
      x.socket.write(bytes.subarray(index, index + 1))
      setImmediate(() => next(index + 1))
    }
    next(0)
  },
  "ends before the answer": (x) => x.socket.end(),
  "ends after the headers": (x) => {
    begin(x)
    x.socket.end()
  },
  "ends in the body": (x) => {
    beginPart(x)
    x.socket.end()
  },
  "ends half an answer well": (x) => {
    x.head(200, chunked(x))
    x.socket.end(chunk(part(x)) + chunk(""))
  },
  "leaves out the end": (x) =>
    x.answer(200, x.headers, isStream(x) ? x.body.slice(0, -1).join("") : whole(x).slice(0, -1)),
  "goes on after the end": (x) => {
    x.head(200, chunked(x))
    x.socket.write(chunk(whole(x)))
    if (isStream(x)) forEver(x, chunk(frames([kilobyte]).join("")))
    else x.socket.end(chunk(whole(x)) + chunk(""))
  },
  "never ends": (x) => {
    x.head(200, chunked(x))
    x.socket.write(chunk(whole(x)))
  },
  "claims more bytes than it has": (x) => {
    x.head(200, { ...x.headers, "content-length": Buffer.byteLength(whole(x)) + 100 })
    x.socket.end(whole(x))
  },
  "claims fewer bytes than it has": (x) => {
    x.head(200, { ...x.headers, "content-length": Buffer.byteLength(whole(x)) - 8 })
    x.socket.end(whole(x))
  },
  "claims gigabytes": (x) => {
    x.head(200, { ...x.headers, "content-length": 10 * 2 ** 30 })
    x.socket.write(whole(x))
  },
  "answers HTML": says("text/html; charset=utf-8", (x) => `<!doctype html><h1>Welcome, ${x.secrets}</h1>`),
  "answers 502 with HTML": (x) => x.answer(502, { "content-type": "text/html" }, `<h1>Bad gateway, ${x.secrets}</h1>`),
  "answers plain words": (x) =>
    isStream(x) ? x.answer(400, {}, `no, ${x.secrets}`) : x.answer(200, { "content-type": "text/plain" }, x.secrets),
  "garbles its words": (x) => {
    const [first = "", ...rest] = x.body
    x.answer(
      200,
      x.headers,
      isStream(x) ? `${first}data: {"content":"${x.secrets}\n\n${rest.join("")}` : `{"${x.secrets}`
    )
  },
  "answers endless JSON": (x) => {
    x.head(200, { ...json, "transfer-encoding": "chunked" })
    x.socket.write(chunk("{\"data\":\""))
    forEver(x, chunk(kilobyte))
  },
  "sends an endless line": (x) => {
    x.head(200, chunked(x))
    x.socket.write(chunk("data: {\"content\":\""))
    forEver(x, chunk(kilobyte))
  },
  "answers nothing": says("text/event-stream", () => ""),
  "answers 204": (x) => {
    x.head(204, {})
    x.socket.end()
  },
  "is no HTTP server": (x) => x.socket.end(`220 mail.example ESMTP ${x.secrets}\r\n`),
  "breaks its own encoding": (x) => {
    x.head(200, chunked(x))
    x.socket.write(chunk(part(x)))
    x.later(() => x.socket.end("not a length\r\n"))
  },
  "sends endless headers": (x) => {
    x.socket.write("HTTP/1.1 200 OK\r\n")
    forEver(x, `x-more: ${kilobyte}\r\n`)
  },
  "sends early hints": (x) => {
    x.socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n`)
    x.comply()
  },
  "answers 400": status(400),
  "answers 400 with words for a code": (x) => x.answer(400, json, JSON.stringify({ code: x.secrets })),
  "answers 401": status(401),
  "answers 403": status(403),
  "answers 404": status(404),
  "answers 429": status(429),
  "answers 429 with seconds": status(429, () => ({ "retry-after": 1 })),
  "answers 429 with a date": status(429, inSeconds(2)),
  "answers 429 with too many seconds": status(429, () => ({ "retry-after": 61 })),
  "answers 429 with too late a date": status(429, inSeconds(7200)),
  "answers 500": status(500),
  "answers 503": status(503),
  "answers 503 with seconds": status(503, () => ({ "retry-after": 1 })),
  "answers without data": says("application/json", () => "{}"),
  "answers data of the wrong shape": (x) =>
    x.answer(200, x.headers, isStream(x) ? "data: {\"content\":5}\n\ndata: [DONE]\n\n" : "{\"data\":{\"token\":5}}"),
  "answers 200 with an error": says(
    "application/json",
    (x) => JSON.stringify({ code: 1001, msg: `no, ${x.secrets}`, data: null })
  ),
  "sends an error in place of the rest": (x) => {
    const error = JSON.stringify({ error: { code: "overloaded", message: `no, ${x.secrets}` } })
    x.answer(200, x.headers, isStream(x) ? `${x.body.slice(0, 2).join("")}data: ${error}\n\n` : error)
  },
  "redirects with 302": status(302, (x) => ({ location: `${x.elsewhere}/login` })),
  "redirects with 307": status(307, (x) => ({ location: `${x.elsewhere}/login` })),
  "revokes its sessions": (x) => {
    x.comply()
    x.revoke()
  },
  "allows less than it says": (x) => x.comply()
} satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
