import { assert, describe } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import * as Responder from "effect-gptalk/Responder"
import type { Options } from "./utils/Child.js"
import { run } from "./utils/Child.js"
import { bundled, hasNoEscapes, live, nowhere, serve } from "./utils/examples.js"
import * as TestServer from "./utils/TestServer.js"

const file = bundled("chat")

const ask = (args: ReadonlyArray<string>, options?: Options) => run(process.execPath, [file("chat"), ...args], options)

const isOneLine = (text: string) => assert.match(text, /^[^\n]+\n$/)

describe.concurrent("chat, once", () => {
  live("streams a reply to stdout and nothing else", () =>
    Effect.gen(function*() {
      const chat = yield* run("npm", ["start", "--silent", "--", "Привет, как дела?"])
      const { code, stdout } = yield* chat.ended
      assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: "You said: Привет, как дела?\n" })
    }))

  live("joins several words, and takes those that begin with a dash", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* (yield* ask(["what", "is", "-5", "+", "3?"])).ended
      assert.deepStrictEqual({ stderr, stdout }, { stderr: "", stdout: "You said: what is -5 + 3?\n" })
    }))

  live("reads the prompt from a pipe, without the line ends after it", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* (yield* ask([], { input: "  两行\nof text \r\n\n" })).ended
      assert.deepStrictEqual({ stderr, stdout }, { stderr: "", stdout: "You said:   两行\nof text \n" })
    }))

  live("wants a prompt that is not empty", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* (yield* ask([], { input: "\n" })).ended
      assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
      assert.match(stderr, /^The prompt is empty: [^\n]+\n$/)
    }))

  live("says in one line that nothing listens there", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* (yield* ask(["Hi"], { env: { GPTALK_URL: nowhere } })).ended
      assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
      assert.match(stderr, /ECONNREFUSED/)
      isOneLine(stderr)
      hasNoEscapes(stderr)
    }))

  for (
    const [name, value, env] of [
      ["GPTALK_URL", "ftp://there", {}],
      ["GPTALK_RETRIES", "many", { GPTALK_URL: nowhere }],
      ["GPTALK_RETRIES", "", { GPTALK_URL: nowhere }],
      ["GPTALK_RETRIES", "many", {}],
      ["GPTALK_TIMEOUT_IDLE", "soon", {}],
      ["GPTALK_PROXY", "there", {}],
      ["GPTALK_MODEL", "", {}],
      ["GPTALK_MODEL", "", { GPTALK_URL: nowhere }]
    ] as const
  ) {
    live(`says in one line that ${name}='${value}' is not valid (${Object.keys(env)})`, () =>
      Effect.gen(function*() {
        const chat = yield* ask(["Hi"], { env: { ...env, [name]: value } })
        const { code, stderr, stdout } = yield* chat.ended
        assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
        assert.match(stderr, new RegExp(`^${name}: [^\n]*expected [^\n]+\n$`, "i"))
        if (value !== "") assert.notInclude(stderr, value)
      }))
  }

  live("asks the service, for the model, that the environment names", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const env = { GPTALK_URL: url, GPTALK_MODEL: "gpt-4" }
      const { stdout } = yield* (yield* ask(["Hi"], { env })).ended
      assert.strictEqual(stdout, "gpt-4 answers\n")
    }))

  live("goes through the proxy that the environment names", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const env = { GPTALK_URL: url, GPTALK_PROXY: nowhere }
      const { code, stderr } = yield* (yield* ask(["Hi"], { env })).ended
      assert.strictEqual(code, 1)
      isOneLine(stderr)
    }))

  live("fails after the part of a reply that came", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const { code, stderr, stdout } = yield* (yield* ask(["half"], { env: { GPTALK_URL: url } })).ended
      assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "Half\n" })
      isOneLine(stderr)
    }))

  live("ends quietly when nobody reads on", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.make({
        responder: Responder.make(() =>
          Stream.schedule(Stream.make("Hello", "there", "you"), Schedule.spaced("300 millis"))
        )
      })
      const command = `(${process.execPath} ${file("chat")} Hi; echo "code $?" >&2) | head -c 3`
      const { stderr, stdout } = yield* (yield* run("sh", ["-c", command], { env: { GPTALK_URL: url } })).ended
      assert.deepStrictEqual({ stderr, stdout }, { stderr: "code 0\n", stdout: "Hel" })
    }))

  live("wants a prompt of more than blanks", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* (yield* ask([" "])).ended
      assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
      assert.match(stderr, /^The prompt is empty: /)
    }))

  live("takes a URL and a proxy that are empty for none", () =>
    Effect.gen(function*() {
      const env = { GPTALK_URL: "", GPTALK_PROXY: "" }
      const { code, stdout } = yield* (yield* ask(["Hi"], { env })).ended
      assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: "You said: Hi\n" })
    }))

  live("gives a pipe the reply as it is", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const { stdout } = yield* (yield* ask(["escape"], { env: { GPTALK_URL: url } })).ended
      assert.strictEqual(stdout, "\x1b[2J\x07clear\n")
    }))

  live("ends with 130, and without a word, by Ctrl-C", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const chat = yield* ask(["slow"], { env: { GPTALK_URL: url } })
      yield* chat.see(/It begins/)
      process.kill(chat.pid, "SIGINT")
      assert.deepStrictEqual(yield* chat.ended, { code: 130, stdout: "It begins\n", stderr: "" })
    }))

  live("says in one line that stdout takes nothing", () =>
    Effect.gen(function*() {
      const chat = yield* run("sh", ["-c", `"${process.execPath}" "${file("chat")}" Hi >/dev/full`])
      const { code, stderr } = yield* chat.ended
      assert.strictEqual(code, 1)
      assert.match(stderr, /^[^\n]*ENOSPC[^\n]*\n$/)
    }))
})
