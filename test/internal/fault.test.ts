import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../src/internal/fault.js"
import { Secrets } from "../../src/internal/secrets.js"

const causeOf = (error: unknown) => Fault.toConnectionError(error, { step: "text", secrets: new Secrets([]) }).cause

const inner = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
const told = { name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" }

describe("Fault", () => {
  describe("toConnectionError takes its words from", () => {
    it.each<readonly [string, unknown]>([
      ["an error by itself", inner],
      ["its cause", new TypeError("fetch failed", { cause: inner })],
      ["the cause of its cause", new Error("outer", { cause: new Error("middle", { cause: inner }) })],
      ["the first of its errors", new AggregateError([inner, new Error("connect ENETUNREACH")], "all failed")],
      [
        "the first of its errors before its cause",
        Object.assign(new AggregateError([inner], "all failed"), { cause: new Error("another one") })
      ],
      ["its cause where its errors are empty", Object.assign(new AggregateError([], "all failed"), { cause: inner })]
    ])("%s", (_, error) => {
      assert.deepStrictEqual(causeOf(error), told)
    })

    const refused = new HttpClientError.RequestError({
      request: HttpClientRequest.get("http://localhost/hidden/"),
      reason: "Transport"
    })

    it.each<readonly [string, unknown]>([
      ["by itself", refused],
      ["as a cause", new Error("outer", { cause: refused })]
    ])("the reason of an error of the platform %s, and not from its message with the URL", (_, error) => {
      assert.deepStrictEqual(causeOf(error), { name: "Error", message: "Transport" })
    })

    it("the reason of an error that the platform has of an answer", () => {
      const request = HttpClientRequest.get("http://localhost/hidden/")
      const response = HttpClientResponse.fromWeb(request, new Response())
      const error = new HttpClientError.ResponseError({ request, response, reason: "Decode" })
      assert.strictEqual(causeOf(error).message, "Decode")
    })

    it("its name and its code, without what is secret", () => {
      const secrets = new Secrets(["hunter22", "tr0ub4dor"])
      const error = Object.assign(new Error(), { name: "of hunter22", code: "of tr0ub4dor" })
      const { cause } = Fault.toConnectionError(error, { step: "text", secrets })
      assert.deepStrictEqual(cause, { name: "of [redacted]", code: "of [redacted]", message: "" })
    })

    it("the words that an error of the platform has for a cause", () => {
      const request = HttpClientRequest.get("http://localhost/hidden/")
      const error = new HttpClientError.RequestError({ request, reason: "Transport", cause: "the proxy said no" })
      assert.strictEqual(causeOf(error).message, "the proxy said no")
    })

    it.each<readonly [string, unknown]>([["nothing", undefined], ["a number", 7], ["an object", {}]])(
      "nothing where %s is thrown",
      (_, error) => {
        assert.deepStrictEqual(causeOf(error), { name: "Error", message: "" })
      }
    )

    it("an error that holds itself, once", () => {
      const error = new Error("round and round")
      error.cause = error
      assert.strictEqual(causeOf(error).message, "round and round")
    })

    it("two errors that hold each other, either of them", () => {
      const one = new Error("one")
      one.cause = new Error("two", { cause: one })
      assert.oneOf(causeOf(one).message, ["one", "two"])
    })
  })

  describe("serviceFault", () => {
    const told = { content: "", msg: "quota exceeded" }

    it("takes words for an error where there is nothing else", () => {
      assert.deepStrictEqual(Fault.serviceFault(told), { code: undefined, detail: "quota exceeded" })
    })

    it.each(["message", "msg"])("takes the %s within an error for its words", (key) => {
      assert.deepStrictEqual(Fault.serviceFault({ error: { [key]: "no" } }), { code: undefined, detail: "no" })
    })

    it("looks for a code within the error where there is none beside it", () => {
      const json = { code: {}, error: { code: "quota_exceeded" } }
      assert.deepStrictEqual(Fault.serviceFault(json), { code: "quota_exceeded", detail: undefined })
    })

    it("prefers the code beside an error, and the words within it", () => {
      const error = { code: 1, message: "a", msg: "b" }
      assert.deepStrictEqual(Fault.serviceFault({ code: 2, msg: "c", error }), { code: 2, detail: "a" })
    })

    it("prefers msg to message", () => {
      assert.deepStrictEqual(Fault.serviceFault({ message: "a", msg: "b" }), { code: undefined, detail: "b" })
    })

    it("passes over blank words", () => {
      assert.isUndefined(Fault.serviceFault({ msg: " " }))
      assert.deepStrictEqual(Fault.serviceFault({ msg: " ", message: "busy" }), { code: undefined, detail: "busy" })
    })

    it("takes them for none beside the content of a frame, though that is empty", () => {
      assert.isUndefined(Fault.serviceFault(told, true))
    })
  })

  it.each([0, 200, "0"])("serviceFault: a code of %s within the error is none", (code) => {
    assert.isUndefined(Fault.serviceFault({ error: { code, message: "success" } }))
  })

  describe("toServiceError", () => {
    const detailOf = (detail: string, secrets: ReadonlyArray<string> = []) =>
      Fault.toServiceError({ code: undefined, detail }, { step: "text", status: 400, secrets: new Secrets(secrets) })
        .detail

    it("has the words of the service, made safe", () => {
      assert.strictEqual(detailOf("no\nto hunter2", ["hunter2"]), "no to [redacted]")
    })

    it.each<readonly [number | string, string, number | string]>([
      [4111111111111111, "my card is 4111111111111111", "[redacted]"],
      [-41111111, "41111111", "-[redacted]"],
      [1234567, "1234567", 1234567],
      [-1234567, "1234567", -1234567],
      ["4711", "4711", "[redacted]"],
      [4711, "4711", 4711],
      [1234.5678, "1234.5678", "[redacted]"],
      [1.5e300, "4111111111111111", 1.5e300]
    ])("has the code of the service, made safe: %s with %s", (code, secret, told) => {
      const error = Fault.toServiceError({ code }, { step: "text", status: 400, secrets: new Secrets([secret]) })
      assert.strictEqual(error.code, told)
    })

    it.each(["\u0001", "\u0000\u001f", " \u001b\n"])(
      "has none where nothing can be seen of them: %j",
      (detail) => {
        const error = Fault.toServiceError({ code: 7, detail }, { step: "text", status: 400, secrets: new Secrets([]) })
        assert.isUndefined(error.detail)
        assert.strictEqual(error.message, "The service answered with an error at text (status 400, code 7).")
      }
    )
  })

  describe("isUnsafe", () => {
    const secret = "a whole secret"
    const isUnsafe = (defect: unknown) => Fault.isUnsafe(defect, new Secrets([secret]))

    it.each<readonly [string, unknown]>([
      ["a request", { request: HttpClientRequest.get("http://localhost/") }],
      [
        "a message that it makes when that is read",
        new (class {
          get message() {
            return secret
          }
        })()
      ],
      [
        "a cause that it makes when that is read",
        new (class {
          get cause() {
            return secret
          }
        })()
      ],
      ["more values than are searched", Array.from({ length: 10_001 }, (_, index) => index)],
      ["more text than is searched", "a".repeat(1_000_001)],
      [
        "more text than is searched, in pieces",
        Array.from({ length: 1001 }, (_, index) => String(index).padEnd(1000, "a"))
      ]
    ])("finds %s", (_, defect) => {
      assert.isTrue(isUnsafe({ defect }))
    })

    it("finds a secret that is just as long as no coincidence, and one that seems to end within an escape", () => {
      assert.isTrue(Fault.isUnsafe({ text: "of hunter22" }, new Secrets(["hunter22"])))
      assert.isTrue(Fault.isUnsafe({ text: "abcdefg%20" }, new Secrets(["abcdefg%2"])))
    })

    it.each(["", "a", "hunter2"])(
      "leaves a defect alone that holds a secret which may be a coincidence: %j",
      (short) => {
        assert.isFalse(Fault.isUnsafe(new Error(`no ${short}`), new Secrets([short])))
      }
    )

    it.each<readonly [string, object]>([
      ["nothing", {}],
      ["many bytes", { bytes: new Uint8Array(20_000) }],
      ["many numbers of a typed array", { numbers: Uint16Array.from({ length: 20_000 }, (_, index) => index) }],
      ["less than a whole secret", { text: secret.slice(1) }]
    ])("leaves a defect alone that holds itself and %s", (_, defect) => {
      assert.isFalse(isUnsafe(Object.assign(defect, { self: defect })))
    })
  })
})
