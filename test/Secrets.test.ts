import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as GPTalk from "../src/GPTalk.js"
import { clients } from "./utils/clients.js"
import { faults } from "./utils/faults.js"
import * as FaultServer from "./utils/FaultServer.js"
import { rows, title } from "./utils/faultTable.js"
import * as Recorder from "./utils/Recorder.js"

const prompt = "Zwölf Boxkämpfer jagen \"Viktor\" quer über den großen Sylter Deich,\nund die PIN ist 8471-5520-9936"
const systemPrompt = "Du bist Detektivin; dein Deckname lautet Falkenauge-77"

/** The length from which on a piece of a secret is no coincidence. */
const pieceLength = 8

/** Where a piece of a secret stands in what was recorded. */
const leaks = (lines: ReadonlyArray<string>, secrets: Iterable<string>): ReadonlyArray<string> => {
  const pieces = new Set<string>()
  for (const secret of secrets) {
    for (let index = 0; index + pieceLength <= secret.length; index++) {
      pieces.add(secret.slice(index, index + pieceLength))
    }
  }
  // Two thirds of them are repetitions.
  return [...new Set(lines)].flatMap((line) => {
    for (let index = 0; index + pieceLength <= line.length; index++) {
      if (!pieces.has(line.slice(index, index + pieceLength))) continue
      return [`${line.slice(0, line.indexOf(":"))}: …${line.slice(Math.max(0, index - 50), index + pieceLength)}`]
    }
    return []
  })
}

const run = (row: (typeof rows)[number], client: (typeof clients)[keyof typeof clients]) =>
  Effect.gen(function*() {
    const recorder = Recorder.make()
    const server = yield* FaultServer.make({ ...row.server, faults: { [row.step]: faults[row.fault] } })
    const layer = GPTalk.layer({ url: server.url, ...row.options }).pipe(
      Layer.provide(client),
      Layer.provideMerge(recorder.layer)
    )
    const observed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.map(Effect.exit(effect), (exit) => {
        if (Exit.isFailure(exit)) recorder.failure(exit.cause)
      })
    // A second call may be told of the first.
    yield* observed(Stream.runDrain(GPTalk.streamText({ prompt, systemPrompt })).pipe(Effect.withSpan("caller"))).pipe(
      Effect.zipRight(observed(GPTalk.generateText({ prompt, systemPrompt }))),
      Effect.provide(layer)
    )
    yield* recorder.metrics
    // A server that was not asked, or not for a text, has not heard of the prompts.
    return { recorder, secrets: new Set([prompt, systemPrompt, ...server.secrets]), heard: server.secrets }
  })

describe.each(Object.entries(clients))("over %s", (_, client) => {
  describe.concurrent("no secret gets out", () => {
    for (const row of rows) {
      it.scopedLive(title(row), () =>
        Effect.gen(function*() {
          const { recorder, secrets } = yield* run(row, client)
          assert.deepStrictEqual(leaks(recorder.lines, secrets), [])
          assert.include(recorder.spans, "GPTalk.streamText")
        }))
    }
  })
})

describe("the search", () => {
  it.scopedLive("sees what went over the wire, and would find it", () =>
    Effect.gen(function*() {
      const row = rows.find((row) => row.fault === "answers 500" && row.step === "stream")
      assert(row !== undefined)
      const { heard, recorder, secrets } = yield* run(row, clients.undici)
      assert.isTrue(heard.has(prompt))
      assert.isTrue(heard.has(systemPrompt))
      assert.isTrue([...heard].some((secret) => /^[0-9a-f]{32}$/.test(secret)))
      assert.isAtLeast(recorder.lines.length, 50)
      for (const secret of secrets) {
        assert.lengthOf(leaks([...recorder.lines, `x ${secret.slice(3, 12)} y`], secrets), 1)
      }
    }))
})
