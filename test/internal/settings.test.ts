import { assert, describe, it } from "@effect/vitest"
import { Duration, Either } from "effect"
import * as Settings from "../../src/internal/settings.js"

describe("Settings", () => {
  it("have the defaults that the documentation names", () => {
    const { headers, url, ...settings } = Either.getOrThrow(Settings.make(undefined))
    assert.deepStrictEqual([url.href, headers], ["https://gptalk.net/", {}])
    assert.deepStrictEqual(settings, {
      model: "gpt-3.5-turbo",
      usageLimit: 5,
      retries: 2,
      timeouts: { response: Duration.seconds(30), firstDelta: Duration.seconds(60), idle: Duration.seconds(60) },
      maxFrameSize: 16 * 1024 * 1024,
      maxBodySize: 1024 * 1024,
      propagateTrace: false
    })
  })

  it("may have headers with tabs and letters of Latin-1", () => {
    const headers = { "x-name": "Zo\u00eb\tM\u00fcller" }
    assert.deepStrictEqual(Either.getOrThrow(Settings.make({ headers })).headers, headers)
  })

  it("do not change with the URL that they were made of", () => {
    const url = new URL("http://a.example/")
    const settings = Either.getOrThrow(Settings.make({ url }))
    url.hostname = "b.example"
    assert.strictEqual(settings.url.href, "http://a.example/")
  })
})
