import { assert, describe, it } from "@effect/vitest"
import { Duration, Either } from "effect"
import * as ServerSettings from "../../src/internal/serverSettings.js"

describe("ServerSettings", () => {
  it.each([undefined, {}, { maxReplies: undefined }])(
    "have the defaults that the documentation names: %o",
    (options) => {
      assert.deepStrictEqual(
        ServerSettings.make(options),
        Either.right({
          usageLimit: 5,
          sessionLifetime: Duration.hours(1),
          streamTokenLifetime: Duration.minutes(1),
          maxSessions: 10_000,
          maxStreamTokens: 1_000,
          maxReplies: 1_000,
          maxBodySize: 1024 * 1024
        })
      )
    }
  )

  it.each(["maxSessions", "maxStreamTokens", "maxReplies"] as const)("%s is a whole number", (name) => {
    assert.isTrue(Either.isLeft(ServerSettings.make({ [name]: 1.5 })))
  })

  it("a number of places may be 0", () => {
    const none = { maxSessions: 0, maxStreamTokens: 0, maxReplies: 0 }
    assert.deepInclude(Either.getOrThrow(ServerSettings.make(none)), none)
  })
})
