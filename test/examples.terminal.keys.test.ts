import { assert, describe } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { run } from "./utils/Child.js"
import { conversation } from "./utils/conversation.js"
import { bundled, live, serve } from "./utils/examples.js"

const file = bundled("chat")

const converse = conversation(file)

describe.concurrent("chat, by what is typed", () => {
  live("takes a line feed for an Enter, and what follows for the next question", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      chat.write("one\ntwo\n")
      yield* chat.see(/answers\r\n[^]*› /)
      yield* chat.see(/answers\r\n[^]*› /)
      assert.strictEqual(yield* Queue.take(asked), "one")
      assert.match(yield* Queue.take(asked), /User: two\nAssistant:$/)
    }))

  live(
    "takes the line ends of Unicode within a paste for line ends, and no control characters",
    () =>
      Effect.gen(function*() {
        const { asked, ...chat } = yield* converse()
        chat.write("\x1b[200~one\u2028two\u2029\x9b2Jthree\x1b[201~\r")
        yield* chat.see(/answers\r\n[^]*› /)
        assert.strictEqual(yield* Queue.take(asked), "one\ntwo\n2Jthree")
      })
  )

  live("asks nothing for a blank line", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      chat.write(" \r")
      yield* chat.see(/› /)
      chat.write("one\r")
      assert.strictEqual(yield* Queue.take(asked), "one")
    }))

  live("sends no more than the last of what was said", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      for (const letter of ["a", "b", "c"]) {
        chat.write(`\x1b[200~${letter.repeat(7000)}\x1b[201~\r`)
        yield* chat.see(/answers\r\n[^]*› /)
        yield* Queue.take(asked)
      }
      chat.write("one\r")
      assert.match(yield* Queue.take(asked), /^User: b{7000}\n/)
    }))

  live("is left by a Ctrl-D right after a Ctrl-Z", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("\x1a\x04")
      const { code, stdout } = yield* chat.ended
      assert.strictEqual(code, 0)
      assert.match(stdout, /\x1b\[\?2004l(?![^]*\x1b\[\?2004h)/)
    }))

  live("goes on where it was when the shell continues it after a Ctrl-Z", () =>
    Effect.gen(function*() {
      const asked = yield* Queue.unbounded<string>()
      const { url } = yield* serve(asked)
      const suspended = "suspended $(stty -a | grep -o \"[- ]icanon\")"
      const jobs = `"${process.execPath}" "${file("chat")}"; echo "${suspended}"; fg; echo again; fg`
      const chat = yield* run("script", ["-qefc", `stty cols 80; exec bash -mc '${jobs}'`, "/dev/null"], {
        env: { GPTALK_URL: url }
      })
      yield* chat.see(/› /)
      chat.write("before\x1a")
      // Meanwhile the terminal is as it was: it reads lines, and what is pasted has no marks.
      yield* chat.see(/\x1b\[\?2004l[^]*suspended  icanon[^]*\x1b\[\?2004h[^]*› [^]*before/)
      chat.write(" after\r")
      yield* chat.see(/answers\r\n[^]*› /)
      assert.strictEqual(yield* Queue.take(asked), "before after")
      chat.write("slow\r")
      yield* chat.see(/It begins/)
      chat.write("\x03")
      yield* chat.see(/\(stopped\)[^]*› /)
      chat.write("\x1a")
      yield* chat.see(/again[^]*› /)
      chat.write("\x04")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))
})
