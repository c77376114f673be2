import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Option, Schema } from "effect"
import * as GPTalkError from "effect-gptalk/GPTalkError"
import * as Message from "effect-gptalk/Message"
import * as Protocol from "effect-gptalk/Protocol"

const service = (status: number, fields: { code?: number | string; detail?: string } = {}) =>
  new GPTalkError.ServiceError({ step: "text", status, retryAfter: Option.none(), ...fields })

const timeout = (phase: "response" | "firstDelta" | "idle") =>
  new GPTalkError.TimeoutError({ step: "stream", phase, after: Duration.seconds(30) })

const all: ReadonlyArray<readonly [GPTalkError.GPTalkError, isRetryable: boolean, message: string]> = [
  [
    new GPTalkError.InvalidRequestError({ issue: "prompt: expected string, found a number" }),
    false,
    "The request is not valid: prompt: expected string, found a number."
  ],
  [
    new GPTalkError.AuthenticationError({ step: "login", status: 403 }),
    false,
    "The service refused the login with status 403: check the url and the headers."
  ],
  [
    new GPTalkError.AuthenticationError({ step: "text", status: 401 }),
    false,
    "The service refused a session that it had just issued, with status 401."
  ],
  [
    new GPTalkError.RateLimitError({ step: "text", retryAfter: Option.some(Duration.seconds(90)) }),
    true,
    "The service is rate limiting requests (status 429 at text): try again in 1m 30s."
  ],
  [
    new GPTalkError.RateLimitError({ step: "text", retryAfter: Option.some(Duration.zero) }),
    true,
    "The service is rate limiting requests (status 429 at text): try again now."
  ],
  [
    new GPTalkError.RateLimitError({ step: "login", retryAfter: Option.none() }),
    true,
    "The service is rate limiting requests (status 429 at login): try again later."
  ],
  [service(503), true, "The service answered with an error at text (status 503)."],
  [service(404), false, "The service answered with an error at text (status 404): check the url."],
  [service(405), false, "The service answered with an error at text (status 405): check the url."],
  [service(301), false, "The service answered with an error at text (status 301): check the url."],
  [service(0), false, "The service answered with an error at text (status 0): check the url."],
  [
    service(200, { code: 1001, detail: "out of quota" }),
    false,
    "The service answered with an error at text (status 200, code 1001): out of quota"
  ],
  [
    new GPTalkError.ConnectionError({
      step: "login",
      cause: { name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" }
    }),
    true,
    "The connection to the service failed at login (connect ECONNREFUSED): " +
    "check that it, or the proxy in front of it, is running and that the url is right."
  ],
  [timeout("response"), true, "The service sent no answer at stream within 30s."],
  [timeout("firstDelta"), true, "The service sent no text at stream within 30s."],
  [timeout("idle"), true, "The service sent no further frame at stream within 30s."],
  [
    new GPTalkError.ProtocolError({ step: "stream", issue: "expected JSON, found other text" }),
    false,
    "The service broke the protocol at stream: expected JSON, found other text."
  ],
  [
    new GPTalkError.IncompleteReplyError({ step: "stream", text: "Hello" }),
    true,
    "The reply ended before it was complete, after 5 characters."
  ],
  [
    new GPTalkError.IncompleteReplyError({ step: "stream", text: "H" }),
    true,
    "The reply ended before it was complete, after 1 character."
  ],
  [
    new GPTalkError.IncompleteReplyError({ step: "stream", text: "" }),
    true,
    "The reply ended before it was complete, after 0 characters."
  ]
]

describe("GPTalkError", () => {
  it.each(all)("message: %s", (error, _, message) => {
    assert.strictEqual(error.message, message)
  })

  it.each(all)("isRetryable: %s", (error, isRetryable) => {
    assert.strictEqual(error.isRetryable, isRetryable)
  })

  it("exactly these statuses of a service error are retryable", () => {
    const retryable = Array.from({ length: 600 }, (_, status) => status).filter((status) => service(status).isRetryable)
    assert.deepStrictEqual(retryable, [408, 429, 500, 502, 503, 504])
  })

  it("a code that repeats the status is not said twice", () => {
    assert.strictEqual(service(500, { code: 500 }).message, "The service answered with an error at text (status 500).")
  })

  it("a connection error without words is told by its name", () => {
    const error = new GPTalkError.ConnectionError({ step: "text", cause: { name: "SocketError", message: "" } })
    assert.include(error.message, "(SocketError)")
  })

  it("an incomplete reply does not show its text in the message", () => {
    assert.notInclude(new GPTalkError.IncompleteReplyError({ step: "stream", text: "secret" }).message, "secret")
  })

  it.each(all)("comes back from JSON the same: %s", (error) => {
    const json = JSON.stringify(Schema.encodeSync(GPTalkError.GPTalkError)(error))
    const decoded = Schema.decodeUnknownSync(GPTalkError.GPTalkError)(JSON.parse(json))
    assert.strictEqual(decoded.constructor, error.constructor)
    assert.deepStrictEqual(decoded.toJSON(), error.toJSON())
  })

  it("an exit with any of them comes back from JSON the same", () => {
    const schema = Schema.Exit({ success: Schema.String, failure: GPTalkError.GPTalkError, defect: Schema.Defect })
    for (const [error] of all) {
      const exit = Exit.fail(error)
      const decoded = Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(exit))))
      assert(Exit.isFailure(decoded))
      const failure = Cause.squash(decoded.cause)
      assert.strictEqual((failure as typeof error).constructor, error.constructor)
      assert.deepStrictEqual((failure as typeof error).toJSON(), error.toJSON())
    }
  })

  it.effect("is caught by its tag", () =>
    Effect.gen(function*() {
      const caught = yield* Effect.fail(service(503) as GPTalkError.GPTalkError).pipe(
        Effect.catchTag("ServiceError", (error) => Effect.succeed(error.status))
      )
      assert.strictEqual(caught, 503)
    }))

  it.each(all)("has its fields and its sentence in the JSON that loggers print: %s", (error, isRetryable, message) => {
    const { _tag, ...fields } = Schema.encodeSync(GPTalkError.GPTalkError)(error)
    const json = JSON.parse(JSON.stringify(error)) as Record<string, unknown>
    assert.deepInclude(json, { _tag, isRetryable, message })
    assert.containsAllKeys(json, Object.keys(fields))
  })

  it("has in that JSON what broke a connection", () => {
    const cause = { name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" }
    const error = new GPTalkError.ConnectionError({ step: "login", cause })
    assert.deepInclude(JSON.parse(JSON.stringify(error)), { cause })
  })

  it("has names that OpenAPI allows, and that are no others' names", () => {
    const endpoint = HttpApiEndpoint.post("ask", "/")
      .setPayload(Message.Message)
      .addSuccess(Protocol.Frame)
      .addError(GPTalkError.GPTalkError)
    const { components } = OpenApi.fromApi(HttpApi.make("api").add(HttpApiGroup.make("chat").add(endpoint)))
    const names = Object.keys(components.schemas).filter((name) => !name.startsWith("HttpApi"))
    assert.includeMembers(names, ["GPTalkMessage", "GPTalkFrame", ...all.map(([{ _tag }]) => `GPTalk${_tag}`)])
    for (const name of names) assert.match(name, /^[\w.-]+$/)
  })

  it("is printed with its tag and its message", () => {
    assert.include(
      Cause.pretty(Cause.fail(service(503))),
      "ServiceError: The service answered with an error at text (status 503)."
    )
  })
})
