import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as GPTalk from "../src/GPTalk.js"
import type { GPTalkError } from "../src/GPTalkError.js"
import { clients } from "./utils/clients.js"
import { eventually } from "./utils/eventually.js"
import { faults } from "./utils/faults.js"
import * as FaultServer from "./utils/FaultServer.js"
import { rows, title } from "./utils/faultTable.js"
import type { Row } from "./utils/faultTable.js"

/** The deltas of one call, and how it ended. */
const call = Effect.suspend(() => {
  let text = ""
  return GPTalk.streamText({ prompt: "Что нового?" }).pipe(
    Stream.runForEach((delta) => Effect.sync(() => text += delta)),
    Effect.either,
    Effect.map((outcome) => ({ outcome, text }))
  )
})

const check = (row: Row, outcome: Either.Either<void, GPTalkError>) => {
  if (row.expected === "reply") {
    assert.isTrue(
      Either.isRight(outcome),
      Either.isLeft(outcome) ? `${outcome.left._tag}: ${outcome.left.message}` : ""
    )
    return
  }
  assert(Either.isLeft(outcome), "expected a failure")
  const error: object = outcome.left
  const fields = Object.keys(row.expected).map((key) => {
    const value = (error as Record<string, unknown>)[key]
    // To chai an absent Option equals any present one.
    return [key, Option.isOption(value) ? Option.getOrUndefined(value) : value]
  })
  assert.deepStrictEqual(Object.fromEntries(fields), row.expected, outcome.left.message)
}

describe.each(Object.entries(clients))("over %s", (_, client) => {
  describe.concurrent("a server that misbehaves", () => {
    for (const row of rows) {
      it.scopedLive(title(row), () =>
        Effect.gen(function*() {
          const server = yield* FaultServer.make({ ...row.server, faults: { [row.step]: faults[row.fault] } })
          yield* Effect.gen(function*() {
            for (let count = 1; count < row.calls; count++) {
              assert.isTrue(Either.isRight((yield* call).outcome), "an early call failed")
            }
            const start = performance.now()
            const { outcome, text } = yield* call
            const took = performance.now() - start
            check(row, outcome)
            assert.strictEqual(text, row.text)
            assert.deepStrictEqual(
              [server.requests.login, server.requests.text, server.requests.stream],
              [...row.requests]
            )
            assert.deepStrictEqual(server.strayed, [])
            assert.isAtLeast(took, row.takesAtLeast)

            // What was not answered to the end is hung up on, while the client lives on.
            yield* eventually(() => assert.strictEqual(server.pending, 0, "connections left open"))
          }).pipe(Effect.provide(GPTalk.layer({ url: server.url, ...row.options })), Effect.provide(client))
        }))
    }
  })

  describe("a success without a body is no refusal of the session, but no answer either", () => {
    const empty: Readonly<Record<string, FaultServer.Fault>> = {
      "200": (x) => x.answer(200, { "content-type": "application/json" }, ""),
      "200, chunked": (x) => {
        x.head(200, { "content-type": "application/json", "transfer-encoding": "chunked" })
        x.socket.write(FaultServer.chunk(""))
      },
      "204": (x) => x.answer(204, {}, "")
    }
    for (const [name, fault] of Object.entries(empty)) {
      it.scopedLive(`text answers ${name}`, () =>
        Effect.gen(function*() {
          const server = yield* FaultServer.make({ faults: { text: fault } })
          const { outcome } = yield* call.pipe(
            Effect.provide(GPTalk.layer({ url: server.url })),
            Effect.provide(client)
          )
          assert(Either.isLeft(outcome), "expected a failure")
          assert.deepInclude(outcome.left, { _tag: "ProtocolError", step: "text", isRetryable: false })
          assert.deepInclude(server.requests, { login: 1, text: 1, stream: 0 })
        }))
    }
  })
})

describe("the table", () => {
  it("has every fault at every step", () => {
    for (const fault of Object.keys(faults)) {
      for (const step of FaultServer.steps) {
        assert.isTrue(rows.some((row) => row.fault === fault && row.step === step), `${step}: ${fault}`)
      }
    }
  })
})
