import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Protocol from "effect-gptalk/Protocol"
import * as FastCheck from "effect/FastCheck"
import * as Raw from "./utils/rawSocket.js"
import * as TestServer from "./utils/TestServer.js"

/** Whether the server still gives a reply. */
const isWell = (server: TestServer.TestServer) =>
  Effect.gen(function*() {
    const { body } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
    return body.endsWith("data: [DONE]\n\n")
  })

describe("the server under bytes that are not HTTP, or nearly", () => {
  /** What the server says to it; then whether it is well. */
  const survives = (server: TestServer.TestServer, data: Uint8Array | string) =>
    Effect.scoped(Effect.gen(function*() {
      const raw = yield* Raw.open(server.port)
      yield* Raw.write(raw, data)
      raw.socket.end()
      const said = yield* raw.settled
      assert.notMatch(said, /^HTTP\/1\.1 5/m)
      assert.isTrue(yield* isWell(server))
    }))

  const property = <A extends Uint8Array | string>(arbitrary: FastCheck.Arbitrary<A>) =>
    Effect.gen(function*() {
      const server = yield* TestServer.make()
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(arbitrary, (data) => Effect.runPromise(survives(server, data))),
          { numRuns: 20 }
        )
      )
    })

  it.scopedLive("any bytes", () => property(FastCheck.uint8Array({ minLength: 1, maxLength: 2000 })))

  it.scopedLive("any path", () => {
    const piece = FastCheck.constantFrom(
      "/",
      "%",
      "%2f",
      "%00",
      "%zz",
      "%73",
      "..",
      ";",
      "?",
      "#",
      "*",
      ":",
      "\\",
      "stream"
    )
    return property(
      FastCheck.array(FastCheck.oneof(piece, FastCheck.webPath())).map((pieces) =>
        Raw.head("GET", `/api/chatgpt/${pieces.join("")}`, { connection: "close" })
      )
    )
  })

  it.scopedLive("any query", () =>
    property(
      FastCheck.oneof(
        FastCheck.webQueryParameters(),
        FastCheck.constantFrom("token=%", "token=%zz", "token[]=a", "token")
      )
        .map((query) => Raw.head("GET", `${Protocol.paths.stream}?${query}`, { connection: "close" }))
    ))

  it.scopedLive("any method, and headers that ask for something else", () =>
    property(
      FastCheck.tuple(
        FastCheck.constantFrom("HEAD", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "QUERY", "CONNECT", "GET", "POST"),
        FastCheck.constantFrom("*", "/", "http://a/", ...Object.values(Protocol.paths)),
        FastCheck.constantFrom<Record<string, string>>(
          {},
          { expect: "100-continue" },
          { upgrade: "websocket", connection: "upgrade" },
          { upgrade: "h2c", connection: "upgrade" },
          { "transfer-encoding": "chunked" },
          { "content-length": "x" },
          { "content-encoding": "gzip" }
        )
      ).map(([method, path, headers]) => Raw.head(method, path, headers))
    ))
})
