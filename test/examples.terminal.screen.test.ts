import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { runOnTerminal } from "./utils/Child.js"
import { conversation } from "./utils/conversation.js"
import { bundled, hasNoEscapes, live, nowhere } from "./utils/examples.js"

const file = bundled("chat")

const converse = conversation(file)

describe.concurrent("chat, whatever its screen is", () => {
  live("has its prompt on stdout, and stops a reply, where stderr is none", () =>
    Effect.gen(function*() {
      const chat = yield* converse({ redirection: "2>/dev/null" })
      chat.write("slow\r")
      yield* chat.see(/It begins/)
      chat.write("\x03")
      yield* chat.see(/› /)
      chat.write("\x04")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  live("goes on where stderr takes nothing", () =>
    Effect.gen(function*() {
      const chat = yield* converse({ redirection: "2>/dev/full" })
      for (const question of ["fail\r", "fail\r", "one\r"]) {
        chat.write(question)
        yield* chat.see(/› /)
      }
      assert.include(chat.stdout(), "answers")
      chat.write("\x04")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  live("has no colours with NO_COLOR, not even with FORCE_COLOR", () =>
    Effect.gen(function*() {
      const env = { GPTALK_URL: nowhere, NO_COLOR: "1", FORCE_COLOR: "1" }
      const chat = yield* runOnTerminal(file("chat"), { env })
      yield* chat.see(/› /)
      chat.write("Hi\r")
      yield* chat.see(/ECONNREFUSED[^\n]*\r\n[^]*› /)

      assert.notMatch(chat.stdout(), /\x1b\[\d*m/)
      chat.write("\x04")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  for (
    const [where, setting] of [
      ["the terminal is dumb", { env: { TERM: "dumb" } }],
      ["its output is a pipe", { redirection: "2>&1 | cat" }]
    ] as const
  ) {
    live(`writes no escapes, and is left by Ctrl-D, where ${where}`, () =>
      Effect.gen(function*() {
        const chat = yield* converse(setting)
        chat.write("one\r")
        yield* chat.see(/answers\r\n[^]*› /)
        chat.write("\x04")
        hasNoEscapes((yield* chat.ended).stdout)
      }))
  }

  live("is left by a Ctrl-D during a reply where its output is a pipe", () =>
    Effect.gen(function*() {
      const chat = yield* converse({ redirection: "2>&1 | cat" })
      chat.write("half\r\x04")
      const { stdout } = yield* chat.ended
      assert.include(stdout, "Half")
      assert.notMatch(stdout, /closed/)
    }))

  live("ends, and says why, where stdout takes nothing", () =>
    Effect.gen(function*() {
      const chat = yield* converse({ redirection: ">/dev/full" })
      chat.write("one\r")
      const { code, stdout } = yield* chat.ended
      assert.strictEqual(code, 1)
      assert.include(stdout, "ENOSPC")
    }))

  live("leaves the shell a line of its own", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("\x04")
      assert.match((yield* chat.ended).stdout, /› [^\n]*\r\n[^\n]*$/)
    }))

  live("holds no more listeners after many questions than after one", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      for (let count = 0; count < 12; count++) {
        chat.write("one\r")
        yield* chat.see(/answers\r\n[^]*› /)
      }
      chat.write("\x04")
      assert.notInclude((yield* chat.ended).stdout, "Warning")
    }))
})
