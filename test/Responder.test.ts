import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Responder from "effect-gptalk/Responder"
import * as FastCheck from "effect/FastCheck"

const request = (prompt: string): Responder.Request => ({
  prompt,
  model: "gpt-3.5-turbo",
  temperature: 0,
  systemPrompt: "",
  contextMessages: 3
})

const echoed = (prompt: string) => Effect.runSync(Stream.runCollect(Responder.echo.respond(request(prompt))))

describe("Responder", () => {
  it("echo says what was said", () => {
    FastCheck.assert(FastCheck.property(FastCheck.string({ unit: "binary" }), (prompt) => {
      assert.strictEqual([...echoed(prompt)].join(""), `You said: ${prompt}`)
    }))
  })

  it("echo gives a short prompt back in several deltas", () => {
    assert.deepStrictEqual([...echoed("Hi, there")], ["You ", "said", ": Hi", ", th", "ere"])
  })

  it("echo cuts no character in two", () => {
    assert.deepStrictEqual([...echoed("🎉".repeat(5))], ["You ", "said", ": 🎉🎉", "🎉🎉🎉"])
  })

  it("echo gives a long prompt back in 200 deltas at most, since every frame repeats the text", () => {
    FastCheck.assert(FastCheck.property(FastCheck.integer({ min: 0, max: 20_000 }), (length) => {
      assert.isAtMost(echoed("x".repeat(length)).length, 200)
    }))
  })

  it.effect("make passes the request on", () =>
    Effect.gen(function*() {
      const responder = Responder.make(({ model, prompt }) => Stream.make(model, prompt))
      const deltas = yield* Stream.runCollect(responder.respond(request("Hi")))
      assert.deepStrictEqual([...deltas], ["gpt-3.5-turbo", "Hi"])
    }))

  it.effect("make takes a function whose branches fail differently", () =>
    Effect.gen(function*() {
      const responder: Responder.Service<"empty" | "long"> = Responder.make(({ prompt }) =>
        prompt === "" ? Stream.fail("empty" as const) : Stream.fail("long" as const)
      )
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(responder.respond(request("Hi")))), "long")
    }))

  it.effect("layerEcho is the echo", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Responder.Responder, Responder.echo)
    }).pipe(Effect.provide(Responder.layerEcho)))
})
