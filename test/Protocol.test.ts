import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as Protocol from "effect-gptalk/Protocol"

const accepts = <A, I>(schema: Schema.Schema<A, I>, value: unknown): boolean =>
  Either.isRight(Schema.decodeUnknownEither(schema)(value))

describe("Protocol", () => {
  it("the paths of the three requests", () => {
    assert.deepStrictEqual(Protocol.paths, {
      login: "/api/chatgpt/user/login",
      text: "/api/chatgpt/chatapi/text",
      stream: "/api/chatgpt/chatapi/stream"
    })
  })

  it("the defaults of the public service", () => {
    assert.deepStrictEqual(
      [Protocol.defaultUrl, Protocol.defaultModel, Protocol.defaultUsageLimit, Protocol.done],
      ["https://gptalk.net", "gpt-3.5-turbo", 5, "[DONE]"]
    )
  })

  it("the names of the default headers", () => {
    assert.sameMembers(Object.keys(Protocol.defaultHeaders({ origin: "http://a.example", now: 1 })), [
      "accept",
      "accept-language",
      "content-type",
      "origin",
      "user-agent",
      "sec-ch-ua",
      "sec-ch-ua-mobile",
      "sec-ch-ua-platform",
      "sec-fetch-dest",
      "sec-fetch-mode",
      "sec-fetch-site",
      "x-auth-appid",
      "x-auth-openid",
      "x-auth-platform",
      "x-auth-timestamp"
    ])
  })

  it("the default headers that the protocol fixes", () => {
    assert.include(Protocol.defaultHeaders({ origin: "http://a.example", now: 1700000000 }), {
      "accept": "*/*",
      "content-type": "application/json",
      "origin": "http://a.example",
      "sec-ch-ua-mobile": "?0",
      "sec-ch-ua-platform": "\"Linux\"",
      "sec-fetch-dest": "empty",
      "sec-fetch-mode": "cors",
      "sec-fetch-site": "same-origin",
      "x-auth-appid": "2229",
      "x-auth-openid": "",
      "x-auth-platform": "",
      "x-auth-timestamp": "1700000000"
    })
  })

  it("the browser is Chrome 117 on Linux x86_64", () => {
    const headers = Protocol.defaultHeaders({ origin: "http://a.example", now: 1 })
    assert.match(headers["user-agent"]!, /\(X11; Linux x86_64\).* Chrome\/117\./)
    assert.include(headers["sec-ch-ua"]!, "\"Google Chrome\";v=\"117\"")
  })

  it("a fingerprint is 32 lower-case hex digits", () => {
    const login = (fingerprint: string) => accepts(Protocol.LoginRequest, { fingerprint, platform: "fingerprint" })
    assert.isTrue(login("0123456789abcdef0123456789abcdef"))
    assert.isFalse(login("0123456789ABCDEF0123456789ABCDEF"))
    assert.isFalse(login("0123456789abcdef0123456789abcde"))
    assert.isFalse(login("0123456789abcdef0123456789abcdef0"))
  })

  it("a login answer needs a token and an expiry", () => {
    assert.isTrue(accepts(Protocol.LoginResponse, { code: 0, data: { token: "t", expires_at: 1.5, more: true } }))
    assert.isFalse(accepts(Protocol.LoginResponse, { data: { token: "", expires_at: 1 } }))
    assert.isFalse(accepts(Protocol.LoginResponse, { data: { token: "t" } }))
    assert.isFalse(accepts(Protocol.LoginResponse, { data: { token: "t", expires_at: NaN } }))
  })

  it("a text answer needs a token", () => {
    assert.isTrue(accepts(Protocol.TextResponse, { data: { token: "t" } }))
    assert.isFalse(accepts(Protocol.TextResponse, { data: { token: 1 } }))
    assert.isFalse(accepts(Protocol.TextResponse, {}))
  })

  it("a token is no longer than a header or a URL may be", () => {
    const tokens = ["t".repeat(8192), "t".repeat(8193)]
    const login = (token: string) => accepts(Protocol.LoginResponse, { data: { token, expires_at: 1 } })
    assert.deepStrictEqual(tokens.map(login), [true, false])
    assert.deepStrictEqual(tokens.map((token) => accepts(Protocol.TextResponse, { data: { token } })), [true, false])
  })

  it("a text request is the table of the protocol", () => {
    const body = {
      content: "Hi",
      accept: "stream",
      from: 1,
      model: "gpt-3.5-turbo",
      is_mobile: 0,
      user_agent: "test",
      is_open_ctx: 0,
      prompt: "",
      roid: 111,
      temperature: 0,
      ctx_msg_count: 3,
      created_at: 1700000000
    }
    assert.deepStrictEqual(Schema.decodeUnknownSync(Protocol.TextRequest)(body) as object, body)
    for (const field of Object.keys(body)) {
      assert.isFalse(accepts(Protocol.TextRequest, { ...body, [field]: undefined }), field)
    }
  })

  it("a frame may have other fields beside its content", () => {
    assert.isTrue(accepts(Protocol.Frame, { id: 1, content: "" }))
    assert.isFalse(accepts(Protocol.Frame, { content: null }))
  })
})
