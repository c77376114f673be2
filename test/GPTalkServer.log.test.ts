import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import { eventually } from "./utils/eventually.js"
import * as Raw from "./utils/rawSocket.js"
import * as Recorder from "./utils/Recorder.js"
import * as TestServer from "./utils/TestServer.js"

/** A server that logs each request, and all that is logged, of every level. */
const withServer = Effect.gen(function*() {
  const recorder = Recorder.make()
  const server = yield* Effect.provide(TestServer.make({ isLogging: true }), recorder.layer)
  return { recorder, server, session: yield* TestServer.newSession(server) }
})

const send = (server: TestServer.TestServer, session: string, size: Record<string, string | number>, body: string) =>
  Effect.gen(function*() {
    const raw = yield* Raw.open(server.port)
    const headers = { authorization: `Bearer ${session}`, "content-type": "application/json", ...size }
    yield* Raw.write(raw, Raw.head("POST", Protocol.paths.text, headers) + body)
    yield* eventually(() => assert.strictEqual(server.count(Protocol.paths.text), 1))
    return raw
  })

/** Nor is the failure of a fiber logged, which may hold a whole request. */
const holdsNone = (recorder: Recorder.Recorder, session: string) => {
  // The value of a span is the answer itself, and no exporter takes it along.
  const log = recorder.lines.filter((line) => !line.startsWith("value of span")).join("\n")
  assert.notMatch(log, /the-prompt|unhandled/)
  assert.notInclude(log, session)
}

const body = JSON.stringify({ ...TestServer.textBody, content: "the-prompt" })

describe("the log of a server, of every level, holds no prompt and no token", () => {
  it.scopedLive.each<readonly [string, Record<string, string | number>, string]>([
    ["a body", { "content-length": 1000 }, body],
    ["a body of unknown length", { "transfer-encoding": "chunked" }, `${body.length.toString(16)}\r\n${body}\r\n`]
  ])("of %s that breaks off", ([, size, sent]) =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const raw = yield* send(server, session, size, sent)
      yield* Effect.sync(() => raw.socket.resetAndDestroy())
      yield* eventually(() => assert.isTrue(recorder.lines.some((line) => line.includes(Protocol.paths.text))))
      yield* Effect.sleep("50 millis")
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a body that is no good", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const { status } = yield* TestServer.post(server.url + Protocol.paths.text, `${body},`, {
        authorization: `Bearer ${session}`
      })
      assert.strictEqual(status, 400)
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a body that is too large", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      const { status } = yield* TestServer.post(
        server.url + Protocol.paths.text,
        body.replace("the-prompt", "the-prompt".repeat(200_000)),
        { authorization: `Bearer ${session}` }
      )
      assert.strictEqual(status, 413)
      holdsNone(recorder, session)
    }))

  it.scopedLive("of a request that goes well", () =>
    Effect.gen(function*() {
      const { recorder, server, session } = yield* withServer
      yield* TestServer.text(server, session, { content: "the-prompt" })
      assert.isTrue(recorder.lines.some((line) => line.includes(Protocol.paths.text)))
      holdsNone(recorder, session)
    }))
})
