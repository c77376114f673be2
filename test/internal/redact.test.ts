import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { redactor } from "../../src/internal/redact.js"

const redact = (text: string, secrets: ReadonlyArray<string>): string => redactor(secrets)(text)

describe("redact", () => {
  it("takes a secret out that was laid out anew and then quoted as a form", () => {
    const prompt = "name:    Bob\n    pin:    4711\n    card:   9876"
    const form = new URLSearchParams({ content: prompt }).toString()
    assert.strictEqual(redact(form, [prompt]), "content=[redacted]")
    assert.strictEqual(redact("bad input my++pin++is++4711++ok", ["my  pin  is  4711  ok"]), "bad input [redacted]")
  })

  it("takes a secret out that is quoted as bytes in Python", () => {
    const bytes = (text: string) =>
      Array.from(new TextEncoder().encode(text), (byte) => `\\x${byte.toString(16)}`).join("")
    assert.strictEqual(redact(`no b'${bytes("Мой пароль")} 4711'`, ["Мой пароль 4711"]), "no b'[redacted]'")
    assert.strictEqual(redact(`no b'${bytes("session-token")}'`, ["session-token"]), "no b'[redacted]'")
    assert.strictEqual(redact("C:\\xa\\x00", []), "C:\\xa\\x00")
  })

  it("leaves ordinary words alone", () => {
    assert.strictEqual(redact("quota used up", ["a-token-of-some-length"]), "quota used up")
  })

  it("takes a whole secret out", () => {
    assert.strictEqual(
      redact("token a-token-of-some-length is bad", ["a-token-of-some-length"]),
      "token [redacted] is bad"
    )
  })

  it("takes every occurrence out", () => {
    assert.strictEqual(redact("abcdefgh abcdefgh", ["abcdefgh"]), "[redacted] [redacted]")
  })

  it("takes each of several secrets out", () => {
    assert.strictEqual(redact("12345678 and abcdefgh", ["12345678", "abcdefgh"]), "[redacted] and [redacted]")
  })

  it("takes a piece of a secret out, wherever it was cut", () => {
    assert.strictEqual(redact("near 'token-of-some'", ["a-token-of-some-length"]), "near '[redacted]'")
  })

  it("leaves a piece that is too short to be anything but chance", () => {
    assert.strictEqual(redact("near length", ["a-token-of-some-length"]), "near length")
  })

  it("takes a short secret out whole", () => {
    assert.strictEqual(redact("no answer to hey you", ["hey"]), "no answer to [redacted] you")
  })

  it("takes a short secret out at the beginning and at the end", () => {
    assert.strictEqual(redact("hunter2 is not allowed, hunter2", ["hunter2"]), "[redacted] is not allowed, [redacted]")
  })

  it("takes a secret of one letter for a word, not for a part of one", () => {
    assert.strictEqual(redact("a bad and late sofa: a", ["a"]), "[redacted] bad and late sofa: [redacted]")
    assert.strictEqual(redact("a1 1a", ["a"]), "a1 1a")
  })

  it("takes a secret of four letters out of a word too, and not one of three", () => {
    assert.strictEqual(redact("at xtom1x", ["tom1"]), "at x[redacted]x")
    assert.strictEqual(redact("at xtomx", ["tom"]), "at xtomx")
  })

  it("takes a secret out that has a shorter one in it", () => {
    assert.strictEqual(redact("at abcdefg", ["abcdefg", "cdef"]), "at [redacted]")
  })

  it("takes a secret out that begins beyond the first characters of the text", () => {
    assert.notInclude(redact("x".repeat(195) + "a-token-of-some-length", ["a-token-of-some-length"]), "a-to")
  })

  it.each([
    ["as JSON", `in {"prompt":"a \\"b\\"\\nc \\"d\\"\\ne"}`, "a \"b\"\nc \"d\"\ne", "in {\"prompt\":\"[redacted]\"}"],
    ["as PHP does, with each slash escaped", "in \"ab\\/cd\\/ef\"", "ab/cd/ef", "in \"[redacted]\""],
    ["as XML, with its apostrophe", "no &apos;it&apos;s me&apos;", "it's me", "no '[redacted]'"],
    ["as JSON without other characters than those of ASCII", "in \\u043f\\u0440\\u0438", "при", "in [redacted]"],
    ["as a part of a URL", "at /stream?token=a%2Bb%2Fc%3D", "a+b/c=", "at /stream?token=[redacted]"]
  ])("takes a secret out that is quoted %s", (_, text, secret, expected) => {
    assert.strictEqual(redact(text, [secret]), expected)
  })

  it("takes a piece of a secret out that ends within what looks like an escape", () => {
    assert.strictEqual(redact("bad abcd100%2", ["abcd100%20off"]), "bad [redacted]")
  })

  const unicode = (text: string, digits: (hex: string) => string) =>
    text.replace(/[^]/g, (unit) => `\\u${digits(unit.charCodeAt(0).toString(16).padStart(4, "0"))}`)
  const quotations: ReadonlyArray<readonly [string, (secret: string) => string]> = [
    ["as JSON", (secret) => JSON.stringify(secret)],
    ["as JSON within JSON", (secret) => JSON.stringify(JSON.stringify(secret))],
    ["with lower-case escapes", (secret) => unicode(secret, (hex) => hex)],
    ["with upper-case escapes", (secret) => unicode(secret, (hex) => hex.toUpperCase())],
    ["as a part of a URL", encodeURIComponent],
    [
      "as a part of a URL, with lower-case escapes",
      (secret) => encodeURIComponent(secret).replace(/%../g, (escape) => escape.toLowerCase())
    ],
    ["as a field of a form", (secret) => new URLSearchParams({ secret }).toString()],
    [
      "as HTML",
      (secret) =>
        secret.replace(
          /["&'<>]/g,
          (char) => ({ "\"": "&quot;", "&": "&amp;", "'": "&#x27;", "<": "&lt;" })[char] ?? "&#62;"
        )
    ]
  ]

  for (const [how, quote] of quotations) {
    it(`takes a secret out that is quoted ${how}`, () => {
      const secret = "Мой <b>пароль</b> & \"it's\" a~b!c(d)"
      assert.match(redact(`at ${quote(secret)}.`, [secret]), /^at (secret=)?"*\[redacted\]"*\.$/)
    })
  }

  it.each([
    ["decimal", (code: number) => `&#${code};`],
    ["hexadecimal", (code: number) => `&#X${code.toString(16)};`]
  ])("takes a secret out that is quoted as HTML with %s numbers of all lengths", (_, quote) => {
    const secret = "A\u0410\u4e00\u{1f600}ÿbcd"
    const quoted = Array.from(secret, (char) => quote(char.codePointAt(0)!)).join("")
    assert.strictEqual(redact(`no ${quoted}.`, [secret]), "no [redacted].")
  })

  it.each([
    ["ab\ncd\nef", "ab cd ef"],
    ["ab\r\ncd\r\nef", "ab cd ef"],
    ["ab\n\n\tcd\nef", "ab cd ef"],
    ["ab cd ef", "ab \u0085cd \u007fef"],
    ["ab cd ef", "ab\ncd\nef"],
    ["ab cd ef", "ab\r\n  cd\u000bef"],
    ["ab\ncd\tef", "ab\tcd\nef"]
  ])("takes a secret out whose spaces and line breaks are others: %j as %j", (secret, quoted) => {
    assert.strictEqual(redact(`not: ${quoted}.`, [secret]), "not: [redacted].")
  })

  it("takes a secret out behind what was cut to one space", () => {
    const text = `bad request${" ".repeat(250)}token was a-token-of-some-length`
    assert.strictEqual(redact(text, ["a-token-of-some-length"]), "bad request token was [redacted]")
  })

  it.each([
    ["C:\\nice day", "nice day", "C:\\[redacted]"],
    ["C:\\users\\tom1", "tom1", "C:\\users\\[redacted]"],
    ["at 5%20 ducks x", "20 ducks", "at 5%[redacted] x"]
  ])("takes a secret out whose beginning looks like part of an escape: %s", (text, secret, expected) => {
    assert.strictEqual(redact(text, [secret]), expected)
  })

  it.each([
    ["an entity", "&#abc;"],
    ["numbers of no character", "&#fff; &#xfffff; &#999999;"],
    ["beginnings of escapes", "\\u12 %zz %f &#x; \\"],
    ["many percent signs", "%" + "25".repeat(1_000_000)],
    ["many ampersands", "&" + "amp;".repeat(250_000)]
  ])("takes what only looks like an escape, or like many, as it is: %s", (_, text) => {
    assert.strictEqual(redact("quota used up", [text]), "quota used up")
    assert.include(redact(`${text.slice(0, 100)} a-token-of-some-length`, ["a-token-of-some-length"]), "[redacted]")
  })

  it("leaves escapes alone where they hide no secret", () => {
    assert.strictEqual(redact("100%25 of C:\\new &amp; old", ["a-token-of-some-length"]), "100%25 of C:\\new &amp; old")
    assert.match(redact(`100%25 ${"x".repeat(700)}`, ["a-token-of-some-length"]), /^100%25 x/)
  })

  it("takes the beginning of a secret out at which a long text is cut", () => {
    const [first, second] = ["x".repeat(593), "abcdefghij"]
    assert.strictEqual(redact(first + second, [first, second]), "[redacted]")
    assert.strictEqual(redact("quota" + " ".repeat(588) + second, [second]), "quota")
  })

  it("an empty secret stands nowhere", () => {
    assert.strictEqual(redact("some words", [""]), "some words")
  })

  it("is 200 characters at most, and says that it was cut", () => {
    const text = redact("x".repeat(1000), [])
    assert.strictEqual(text.length, 200)
    assert.isTrue(text.endsWith("…"))
  })

  it("keeps exactly 200 characters", () => {
    assert.strictEqual(redact("x".repeat(200), []), "x".repeat(200))
  })

  it("is one line without control characters", () => {
    assert.strictEqual(redact("  a\r\n\tb\u0000c\u001b[31m\u007f\u009b32m ", []), "a b c [31m 32m")
  })

  it.each([["", 99], ["x", 99], ["xy", 98]] as const)("is not cut within a character: behind %j", (before, count) => {
    assert.strictEqual(redact(before + "😀".repeat(200), []), `${before}${"😀".repeat(count)}…`)
  })

  it("is well-formed even where the text is not", () => {
    assert.strictEqual(redact("a\ud83d b\ude00", []), "a\ufffd b\ufffd")
  })

  it("never holds a piece of eight characters of a secret, for all texts", () => {
    const secret = fc.string({ minLength: 8, maxLength: 40, unit: fc.constantFrom("a", "b", "c", "d") })
    fc.assert(fc.property(secret, fc.array(fc.tuple(fc.string(), fc.nat(32))), (secret, parts) => {
      const text = parts.map(([words, at]) => words + secret.slice(at)).join("")
      const clean = redact(text, [secret])
      for (let at = 0; at + 8 <= secret.length; at++) assert.notInclude(clean, secret.slice(at, at + 8))
    }))
  })

  it("leaves the space after the last word of a secret", () => {
    assert.strictEqual(redact("my secret next", ["my secret word"]), "[redacted] next")
  })

  it("knows a message that is short behind its escapes, and part of a longer secret", () => {
    const messages = ["User: hi\nUser: x &lt; y\nAssistant:", "hi", "x &lt; y"]
    assert.strictEqual(redact("cannot answer x < y now", messages), "cannot answer [redacted] now")
  })

  it("knows the end of an escape in a longer secret for the beginning of a shorter one", () => {
    assert.strictEqual(redact("bad 41bar-secret", ["foo%41bar-secret-long", "41bar-secret"]), "bad [redacted]")
  })

  it("takes a secret with escapes of its own out that is quoted as a field of a form", () => {
    assert.strictEqual(redact("in q=a+%26lt%3B+b", ["a &lt; b"]), "in q=[redacted]")
  })

  it("leaves a plus that stands for no space", () => {
    assert.strictEqual(redact("a-long-secret at 12:00+02:00", ["a-long-secret"]), "[redacted] at 12:00+02:00")
  })
})
