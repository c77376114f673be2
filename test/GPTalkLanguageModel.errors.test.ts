import * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { GPTalk, GPTalkError, Protocol } from "effect-gptalk"
import * as GPTalkLanguageModel from "effect-gptalk/GPTalkLanguageModel"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { fails, mock, says } from "./utils/mockGPTalk.js"
import * as Spans from "./utils/spans.js"

const json = (body: unknown, status = 200) => Response.json(body, { status })

describe("GPTalkLanguageModel", () => {
  describe("errors", () => {
    const step = "text"
    const asked = (method: "GET" | "POST", step: GPTalkError.Step) => ({
      method,
      url: Protocol.paths[step],
      urlParams: [],
      hash: Option.none(),
      headers: {}
    })
    const cases: ReadonlyArray<readonly [GPTalkError.GPTalkError, AiError.AiError["_tag"], object]> = [
      [new GPTalkError.InvalidRequestError({ issue: "model: expected a string" }), "MalformedInput", {}],
      [
        new GPTalkError.AuthenticationError({ step: "login", status: 403 }),
        "HttpResponseError",
        { reason: "StatusCode", request: asked("POST", "login"), response: { status: 403, headers: {} } }
      ],
      [
        new GPTalkError.RateLimitError({ step, retryAfter: Option.some(Duration.millis(1500)) }),
        "HttpResponseError",
        {
          reason: "StatusCode",
          request: asked("POST", "text"),
          response: { status: 429, headers: { "retry-after": "2" } }
        }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 502, detail: "down", retryAfter: Option.none() }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 502, headers: {} } }
      ],
      [
        new GPTalkError.ServiceError({ step: "stream", status: 503, retryAfter: Option.some(Duration.minutes(1)) }),
        "HttpResponseError",
        {
          reason: "StatusCode",
          request: asked("GET", "stream"),
          response: { status: 503, headers: { "retry-after": "60" } }
        }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 300, retryAfter: Option.none() }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 300, headers: {} } }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 302, retryAfter: Option.none() }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 302, headers: {} } }
      ],
      [
        new GPTalkError.ServiceError({ step, status: 0, retryAfter: Option.none() }),
        "HttpResponseError",
        { reason: "StatusCode", response: { status: 0, headers: {} } }
      ],
      [new GPTalkError.ServiceError({ step, status: 201, code: 7, retryAfter: Option.none() }), "UnknownError", {}],
      [
        new GPTalkError.ServiceError({ step, status: 200, detail: "no quota", retryAfter: Option.none() }),
        "UnknownError",
        {}
      ],
      [
        new GPTalkError.ConnectionError({ step, cause: { name: "Error", message: "ECONNREFUSED" } }),
        "HttpRequestError",
        { reason: "Transport", request: asked("POST", "text") }
      ],
      [
        new GPTalkError.TimeoutError({ step: "stream", phase: "idle", after: Duration.seconds(1) }),
        "HttpRequestError",
        { reason: "Transport", request: asked("GET", "stream") }
      ],
      [new GPTalkError.ProtocolError({ step, issue: "expected JSON, found nothing" }), "MalformedOutput", {}],
      [new GPTalkError.IncompleteReplyError({ step: "stream", text: "SECRET" }), "MalformedOutput", {}]
    ]
    for (const [error, tag, fields] of cases) {
      it.effect(`turns ${error._tag}${"status" in error ? ` ${error.status}` : ""} into ${tag}`, () =>
        Effect.gen(function*() {
          const prompt = "Hi"
          const [generated, streamed] = yield* Effect.all([
            Effect.flip(LanguageModel.generateText({ prompt })),
            Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt })))
          ]).pipe(Effect.provide(fails(error).model))
          for (const [method, failure] of [["generateText", generated], ["streamText", streamed]] as const) {
            assert.strictEqual(failure._tag, tag)
            assert.deepInclude(failure, {
              module: "GPTalkLanguageModel",
              method,
              description: error.message,
              ...fields
            })
            // The reply of an IncompleteReplyError may quote the prompt.
            const hasCause = tag !== "HttpResponseError" && error._tag !== "IncompleteReplyError"
            assert.strictEqual("cause" in failure ? failure.cause : undefined, hasCause ? error : undefined)
            assert.notInclude(JSON.stringify(failure) + Cause.pretty(Cause.fail(failure)), "SECRET")
            // A schema-backed error that cannot be encoded breaks loggers and RPC.
            yield* Schema.encode(AiError.AiError)(failure)
          }
        }))
    }

    it.effect("lets no token and no prompt out of a call over HTTP", () =>
      Effect.gen(function*() {
        const client = HttpClient.make((request, url) =>
          Effect.succeed(HttpClientResponse.fromWeb(
            request,
            url.pathname === Protocol.paths.login
              ? json({ data: { token: "TOKEN-of-the-session", expires_at: 4e9 } })
              : json({ msg: "TOKEN-of-the-session asked: PROMPT of a person" }, 500)
          ))
        )
        const error = yield* LanguageModel.generateText({ prompt: "PROMPT of a person" }).pipe(
          Effect.provide(GPTalkLanguageModel.model()),
          Effect.provide(GPTalk.layer({ retries: 0 })),
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.flip
        )
        assert.strictEqual(error._tag, "HttpResponseError")
        assert.notMatch(JSON.stringify(error) + Cause.pretty(Cause.fail(error)), /TOKEN|PROMPT/)
      }))
  })

  describe("telemetry", () => {
    it.effect("annotates the span as GenAI does, without content", () =>
      Effect.gen(function*() {
        const { layer, spans } = yield* Spans.record
        const { model } = says("REPLY")
        const prompt = "PROMPT"
        yield* LanguageModel.generateText({ prompt }).pipe(
          Effect.zipRight(Stream.runDrain(LanguageModel.streamText({ prompt }))),
          GPTalkLanguageModel.withConfigOverride({ temperature: 1 }),
          Effect.provide(Layer.merge(model, layer))
        )
        for (const name of ["LanguageModel.generateText", "LanguageModel.streamText"]) {
          const attributes = Object.fromEntries(spans.find((span) => span.name === name)!.attributes)
          assert.match(attributes["gen_ai.response.id"] as string, /^id_/)
          assert.deepInclude(attributes, {
            "gen_ai.system": "gptalk",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-3.5-turbo",
            "gen_ai.request.temperature": 1,
            "gen_ai.response.model": "gpt-3.5-turbo",
            "gen_ai.response.finish_reasons": ["stop"]
          })
          assert.notMatch(JSON.stringify(attributes), /PROMPT|REPLY/)
        }
      }))

    it.effect("puts the spans of GPTalk below that of the model", () =>
      Effect.gen(function*() {
        const { layer, spans } = yield* Spans.record
        const { model } = mock(() => Stream.withSpan(Stream.make("a"), "inner"))
        yield* Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })).pipe(
          Effect.zipRight(LanguageModel.generateText({ prompt: "Hi" })),
          Effect.withSpan("outer"),
          Effect.provide(Layer.merge(model, layer))
        )
        assert.deepStrictEqual(
          spans.filter((span) => span.name === "inner").map((span) =>
            Option.getOrUndefined(Option.map(span.parent, (parent) => (parent as Tracer.Span).name))
          ),
          ["LanguageModel.streamText", "LanguageModel.generateText"]
        )
      }))
  })
})
