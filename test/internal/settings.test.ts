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
})
