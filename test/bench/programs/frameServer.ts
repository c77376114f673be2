/**
 * The server behind the clients: plain `node:http`, the frames made beforehand, each written by itself, so that each
 * is a chunk of HTTP.
 */
import { once } from "node:events"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout } from "node:timers/promises"
import * as Prompt from "../prompt.js"
import * as Script from "../script.js"
import { answer } from "./answer.js"
import { readJson } from "./readJson.js"

const sendJson = (response: Http.ServerResponse, data: unknown): void => {
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ data }))
}

const sendFrames = async (response: Http.ServerResponse, prompt: string): Promise<void> => {
  const { frames: count, manner } = Prompt.parse(prompt)
  const { frames } = Script.of(count)
  response.setHeader("content-type", "text/event-stream")
  for (let index = 0; index < frames.length; index++) {
    if (manner === "held" && index === count) return
    if (manner === "paced" && index === 1) await setTimeout(2)
    if (!response.write(frames[index])) await once(response, "drain")
  }
  response.end()
}

const server = Http.createServer(async (request, response) => {
  const url = new URL(request.url!, "http://localhost")
  if (url.pathname.endsWith("login")) {
    await readJson(request)
    sendJson(response, { token: "session", expires_at: Math.floor(Date.now() / 1000) + 3600 })
  } else if (url.pathname.endsWith("text")) {
    sendJson(response, { token: (await readJson(request)).content })
  } else await sendFrames(response, url.searchParams.get("token")!)
})
server.keepAliveTimeout = 600_000

answer({
  listen: async (frames: ReadonlyArray<number>): Promise<string> => {
    frames.forEach(Script.of)
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 })
    await once(server, "listening")
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
})
