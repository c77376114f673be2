/**
 * A stand-in for OpenAI's Responses API, as far as a streamed text goes: it says what a test tells it to.
 */
import { Effect, Queue, type Scope } from "effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

export interface Call {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: { readonly model: string; readonly temperature?: number; readonly input: unknown }
  /** Goes on with the text. */
  readonly say: (delta: string) => void
  readonly finish: () => void
  /** Ends the reply with an error event. */
  readonly fail: (message: string) => void
  /** Breaks the connection, its chunked body unended. */
  readonly breakOff: () => void
  /** Ends the body where it is. */
  readonly end: () => void
  /** Done when the client has gone. */
  readonly gone: Promise<void>
}

export interface OpenAiServer {
  readonly url: string
  readonly next: Effect.Effect<Call>
  /** Answers the next request with 429. */
  readonly refuse: () => void
}

const readBody = async (request: Http.IncomingMessage): Promise<string> => {
  let text = ""
  for await (const chunk of request.setEncoding("utf8")) text += chunk
  return text
}

const toCall = (request: Http.IncomingMessage, response: Http.ServerResponse, body: string): Call => {
  const question = JSON.parse(body)
  let sequence = 0
  const send = (type: string, fields: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...fields })}\n\n`)
  const message = (status: string) => ({
    output_index: 0,
    item: { id: "msg_1", type: "message", role: "assistant", content: [], status }
  })
  const reply = (status: string) => ({
    response: {
      id: "resp_1",
      object: "response",
      created_at: 1_700_000_000,
      status,
      error: null,
      incomplete_details: null,
      instructions: null,
      metadata: null,
      model: question.model,
      output: [],
      parallel_tool_calls: true,
      temperature: question.temperature ?? 1,
      tool_choice: "auto",
      tools: [],
      top_p: 1
    }
  })
  response.writeHead(200, { "content-type": "text/event-stream" })
  send("response.created", reply("in_progress"))
  send("response.output_item.added", message("in_progress"))
  return {
    path: request.url!,
    authorization: request.headers.authorization,
    body: question,
    say: (delta) => send("response.output_text.delta", { output_index: 0, content_index: 0, item_id: "msg_1", delta }),
    finish: () => {
      send("response.output_item.done", message("completed"))
      send("response.completed", reply("completed"))
      response.end()
    },
    fail: (message) => {
      send("error", { code: "server_error", message, param: null })
      response.end()
    },
    breakOff: () => response.socket?.destroy(),
    end: () => response.end(),
    gone: new Promise((resolve) => response.on("close", () => resolve()))
  }
}

export const make: Effect.Effect<OpenAiServer, never, Scope.Scope> = Effect.gen(function*() {
  const calls = yield* Queue.unbounded<Call>()
  let refusals = 0
  const server = yield* Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        readBody(request).then((body) => {
          if (refusals > 0) {
            refusals--
            response.writeHead(429).end()
          } else Queue.unsafeOffer(calls, toCall(request, response, body))
        }, () => {})
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    next: Queue.take(calls),
    refuse: () => refusals++
  }
})
