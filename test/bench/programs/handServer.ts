/**
 * The protocol's server as one writes it by hand, with the same checks of tokens.
 */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import type * as Http from "node:http"
import { readJson } from "./readJson.js"

const sendJson = (response: Http.ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

const newToken = () => randomBytes(32).toString("hex")

export const handle = (piecesOf: (prompt: string) => Iterable<string>): Http.RequestListener => {
  const sessions = new Map<string, number>()
  const prompts = new Map<string, string>()

  const stream = async (response: Http.ServerResponse, token: string): Promise<void> => {
    const prompt = prompts.get(token)
    if (prompt === undefined) return sendJson(response, 403, { code: 403 })
    prompts.delete(token)
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" })
    let content = ""
    for (const piece of piecesOf(prompt)) {
      content += piece
      if (!response.write(`data: ${JSON.stringify({ content })}\n\n`)) await once(response, "drain")
    }
    response.end("data: [DONE]\n\n")
  }

  return async (request, response) => {
    const url = new URL(request.url!, "http://localhost")
    if (url.pathname.endsWith("stream")) return stream(response, url.searchParams.get("token") ?? "")
    const body = await readJson(request)
    if (url.pathname.endsWith("login")) {
      const token = newToken()
      sessions.set(token, 5)
      return sendJson(response, 200, { data: { token, expires_at: Math.floor(Date.now() / 1000) + 3600 } })
    }
    const session = request.headers.authorization?.slice("Bearer ".length) ?? ""
    const left = sessions.get(session)
    if (left === undefined) return sendJson(response, 401, { code: 401 })
    if (left === 1) sessions.delete(session)
    else sessions.set(session, left - 1)
    const token = newToken()
    prompts.set(token, body.content)
    sendJson(response, 200, { data: { token } })
  }
}
