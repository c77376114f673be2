import { assert, describe } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { runOnTerminal } from "./utils/Child.js"
import { conversation } from "./utils/conversation.js"
import { eventually } from "./utils/eventually.js"
import { bundled, live, serve } from "./utils/examples.js"

const file = bundled("chat")

const converse = conversation(file)

describe.concurrent("chat, on a terminal", () => {
  live("holds a conversation, which a stopped or failed reply does not end", () =>
    Effect.gen(function*() {
      const { asked, streamSockets, ...chat } = yield* converse()

      chat.write("one\r")
      yield* chat.see(/gpt-3\.5-turbo answers\r\n[^]*› /)
      assert.strictEqual(yield* Queue.take(asked), "one")

      chat.write("fail\r")
      yield* chat.see(/The service answered with an error[^\n]*\r\n[^]*› /)
      yield* Queue.take(asked)

      chat.write("slow\r")
      yield* chat.see(/It begins/)
      yield* Queue.take(asked)
      chat.write("\x03")
      yield* chat.see(/\r\n[^\n]*\(stopped\)[^\n]*\r\n[^]*› /)
      assert.isTrue(streamSockets.at(-1)!.destroyed)

      // What arrived before Ctrl-C is remembered; what failed is not. Left and Backspace edit, Up brings back.
      chat.write("世x界\x1b[D\x7f\r")
      yield* chat.see(/answers\r\n[^]*› /)
      assert.strictEqual(
        yield* Queue.take(asked),
        "User: one\nAssistant: gpt-3.5-turbo answers\nUser: slow\nAssistant: It begins\nUser: 世界\nAssistant:"
      )
      chat.write("\x1b[A\x1b[A\r")
      yield* chat.see(/It begins/)
      assert.match(yield* Queue.take(asked), /\nUser: slow\nAssistant:$/)
      chat.write("\x03")
      yield* chat.see(/stopped[^]*› /)

      chat.write("\x04")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  live("forgets a question that was stopped before anything came", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      chat.write("silent\r")
      assert.strictEqual(yield* Queue.take(asked), "silent")
      chat.write("\x03")
      yield* chat.see(/\(stopped\)[^]*› /)
      chat.write("one\r")
      assert.strictEqual(yield* Queue.take(asked), "one")
    }))

  live("says that nothing but an echo answers, unless the environment names a service", () =>
    Effect.gen(function*() {
      const hint = /This is the embedded server, which echoes\. Set GPTALK_URL to use another\./
      const alone = yield* runOnTerminal(file("chat"))
      yield* alone.see(hint)
      yield* alone.see(/› /)
      alone.write("Hi\r")
      yield* alone.see(/You said: Hi\r\n[^]*› /)
      alone.write("\x04")
      assert.strictEqual((yield* alone.ended).code, 0)
      const { stdout } = yield* converse()
      assert.notMatch(stdout(), hint)
    }))

  live("is left by Ctrl-C at the prompt, and draws in colour", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const chat = yield* runOnTerminal(file("chat"), { env: { GPTALK_URL: url } })
      yield* chat.see(/\x1b\[36m› \x1b\[0m/)
      chat.write("escape\r")
      yield* chat.see(/\[2Jclear\r\n[^]*› /)
      assert.notInclude(chat.stdout(), "\x1b[2J")
      chat.write("not sent\x03")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  for (
    const [title, first, seen, rest, question] of [
      [
        "takes what is pasted for one question, however many lines it has",
        "Why? \x1b[200~one\r\ntwo\nth",
        /Why\? /,
        "ree\x1b[201~!\r",
        "Why? one\ntwo\nthree!"
      ],
      [
        "takes what is pasted for one question, though the mark of its start comes in pieces",
        "Why? \x1b[2",
        /Why\? /,
        "00~one\r\ntwo\x1b[201~!\r",
        "Why? one\ntwo!"
      ],
      [
        "takes a key that comes in pieces for what it is, though a paste may begin so",
        "bc\x1b[",
        /bc/,
        "Ha\r",
        "abc"
      ],
      ["goes on after an Enter that ends no line", "ab\x1b\r", /ab/, "c\r", "abc"],
      [
        "goes on after a Ctrl-Z where there is no shell to go back to",
        "before\x1a",
        /before[^]*› [^]*before/,
        " and after\r",
        "before and after"
      ]
    ] as const
  ) {
    live(title, () =>
      Effect.gen(function*() {
        const { asked, ...chat } = yield* converse()
        chat.write(first)
        yield* chat.see(seen)
        chat.write(rest)
        yield* chat.see(/answers\r\n[^]*› /)
        assert.strictEqual(yield* Queue.take(asked), question)
        assert.strictEqual(yield* Queue.size(asked), 0)
      }))
  }

  live("draws what is pasted once, and not once for each of its lines", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      const pasted = "0123456789".repeat(2000)
      chat.write(`<>\x1b[D\x1b[200~${pasted}\x1b[2J\x1b[201~\r`)
      yield* chat.see(/answers\r\n[^]*› /)
      assert.strictEqual(yield* Queue.take(asked), `<${pasted}[2J>`)
      assert.isBelow(chat.stdout().length, 5 * pasted.length)
    }))

  live("leaves a reply on the screen when its size changes", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("slow\r")
      yield* chat.see(/It begins/)
      const before = chat.stdout()
      chat.resize(40)
      // What would be drawn anew comes with a delay.
      yield* Effect.sleep("300 millis")
      chat.write("\x03")
      yield* chat.see(/\(stopped\)[^]*› /)
      assert.notMatch(chat.stdout().slice(before.length), /\x1b\[\d*J[^]*stopped/)
      chat.write("draft")
      yield* chat.see(/draft/)
      const settled = chat.stdout().length
      chat.resize(60)
      yield* eventually(() => assert.match(chat.stdout().slice(settled), /› [^]*draft/))
    }))

  live("takes an Escape for a key of its own", () =>
    Effect.gen(function*() {
      const { asked, ...chat } = yield* converse()
      chat.write("a\x1b")
      // So long readline waits for what an Escape may begin.
      yield* Effect.sleep("2 seconds")
      chat.write("b\r")
      yield* chat.see(/answers\r\n[^]*› /)
      assert.strictEqual(yield* Queue.take(asked), "ab")
    }))

  live("shows that it waits for a reply, and takes that away when it comes", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("one\r")
      yield* chat.see(/\r[^\r\n]*⠋[^\n]*\r\x1b\[K[^\r\n]*answers/)
    }))

  live("leaves the terminal as it was: what is pasted has no marks any more", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      assert.include(chat.stdout(), "\x1b[?2004h")
      chat.write("\x04")
      const { stdout } = yield* chat.ended
      assert.strictEqual([...stdout.matchAll(/\x1b\[\?2004([hl])/g)].at(-1)![1], "l")
    }))

  live("is left by Ctrl-C, though what is pasted has no end", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("\x1b[200~one\rtwo")
      chat.write("\x03")
      assert.strictEqual((yield* chat.ended).code, 0)
    }))

  live("stops a reply by a Ctrl-C that came along with its question", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("slow\r\x03")
      yield* chat.see(/\(stopped\)[^\n]*\r\n[^]*› /)
      chat.write("one\r")
      yield* chat.see(/answers\r\n[^]*› /)
    }))

  live("is left by a second Ctrl-C that came along with the one that stops the reply", () =>
    Effect.gen(function*() {
      const chat = yield* converse()
      chat.write("slow\r")
      yield* chat.see(/It begins/)
      chat.write("\x03\x03")
      yield* chat.see(/\(stopped\)/)
      assert.strictEqual((yield* chat.ended).code, 0)
    }))
})
