import { AiError, LanguageModel, type Prompt, type Response } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, FiberId, Logger, LogLevel, Option, Queue, Stream } from "effect"
import type * as Responder from "effect-gptalk/Responder"
import * as ResponderLanguageModel from "effect-gptalk/ResponderLanguageModel"
import { follow } from "./utils/follow.js"
import * as TestServer from "./utils/TestServer.js"

type Part = Response.StreamPartEncoded

const request: Responder.Request = {
  prompt: "Hi",
  model: "gpt-3.5-turbo",
  temperature: 0,
  systemPrompt: "",
  contextMessages: 3
}

const start: Part = { type: "text-start", id: "1" }
const delta = (delta: string): Part => ({ type: "text-delta", id: "1", delta })
const end: Part = { type: "text-end", id: "1" }
const finish = (reason: Response.FinishReason = "stop"): Part => ({
  type: "finish",
  reason,
  usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }
})

const failure = new AiError.UnknownError({ module: "Test", method: "streamText", description: "no more" })

const makeResponder = (streamText: (prompt: Prompt.Prompt) => Stream.Stream<Part, AiError.AiError>) =>
  Effect.flatMap(
    LanguageModel.make({ generateText: () => Effect.succeed([]), streamText: ({ prompt }) => streamText(prompt) }),
    (model) => Effect.provideService(ResponderLanguageModel.fromLanguageModel, LanguageModel.LanguageModel, model)
  )

/** What arrived, and how it ended. */
const collect = (parts: Stream.Stream<Part, AiError.AiError>) =>
  Effect.gen(function*() {
    const responder = yield* makeResponder(() => parts)
    const deltas: Array<string> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(responder.respond(request), (delta) => Effect.sync(() => deltas.push(delta)))
    )
    return { deltas, end: exit._tag }
  })

describe("ResponderLanguageModel", () => {
  describe("prompt", () => {
    const asked = (request: Responder.Request) =>
      Effect.gen(function*() {
        const prompts: Array<unknown> = []
        const responder = yield* makeResponder((prompt) => {
          prompts.push(prompt.content.map(({ content, role }) => ({
            role,
            content: typeof content === "string" ? content : content.map((part) => part.type === "text" && part.text)
          })))
          return Stream.make(start, delta("Hi"), end, finish())
        })
        yield* Stream.runDrain(responder.respond(request))
        return prompts
      })

    it.effect("goes as it is, as the text of a user message", () =>
      Effect.gen(function*() {
        const prompt = "System: Be brief.\nUser: Hi\nAssistant:"
        assert.deepStrictEqual(yield* asked({ ...request, prompt }), [[{ role: "user", content: [prompt] }]])
      }))

    it.effect("comes after the system prompt", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* asked({ ...request, systemPrompt: "Be brief." }), [[
          { role: "system", content: "Be brief." },
          { role: "user", content: ["Hi"] }
        ]])
      }))
  })

  describe("reply", () => {
    it.effect("is the text, and nothing else that a model streams", () =>
      Effect.gen(function*() {
        const result = yield* collect(Stream.make<Array<Part>>(
          { type: "reasoning-start", id: "0" },
          { type: "reasoning-delta", id: "0", delta: "hmm" },
          { type: "reasoning-end", id: "0" },
          start,
          delta("Hel"),
          delta(""),
          delta("lo"),
          end,
          finish()
        ))
        assert.deepStrictEqual(result, { deltas: ["Hel", "lo"], end: "Success" })
      }))

    it.effect("is handed on delta by delta", () =>
      Effect.gen(function*() {
        const parts = yield* Queue.unbounded<Part>()
        const responder = yield* makeResponder(() => Stream.fromQueue(parts, { maxChunkSize: 1 }))
        const next = yield* follow(responder.respond(request))
        for (const text of ["Hel", "lo", "!"]) {
          yield* Queue.offer(parts, delta(text))
          assert.strictEqual(yield* next, text)
        }
      }).pipe(Effect.scoped))

    it.effect("is whole without a finish part when its text was ended", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* collect(Stream.make(start, delta("Hi"), end)),
          { deltas: ["Hi"], end: "Success" }
        )
      }))

    it.effect("is whole of a model that streams deltas alone", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* collect(Stream.make(delta("Hi"), finish())),
          { deltas: ["Hi"], end: "Success" }
        )
      }))

    it.effect("fails with an error part", () =>
      Effect.gen(function*() {
        const parts = Stream.make<Array<Part>>(start, delta("Hi"), { type: "error", error: "overloaded" })
        assert.deepStrictEqual(yield* collect(parts), { deltas: ["Hi"], end: "Failure" })
      }))

    it.effect("fails with the model", () =>
      Effect.gen(function*() {
        const parts = Stream.concat(Stream.make(start, delta("Hi")), Stream.fail(failure))
        assert.deepStrictEqual(yield* collect(parts), { deltas: ["Hi"], end: "Failure" })
      }))

    it.effect("fails by a ModelError, and nothing else, to those who compose it", () =>
      Effect.gen(function*() {
        const responder = yield* makeResponder(() => Stream.fail(failure))
        const recovered: Stream.Stream<string> = responder.respond(request).pipe(
          Stream.catchTag("ModelError", ({ reason }) => Stream.make(reason))
        )
        assert.deepStrictEqual([...yield* Stream.runCollect(recovered)], ["Test.streamText failed (UnknownError)"])
      }))

    it.effect("fails when the model gave up", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* collect(Stream.make(start, delta("Hi"), end, finish("error"))),
          { deltas: ["Hi"], end: "Failure" }
        )
      }))

    it.effect.each(
      [
        ["length", "it reached its token limit"],
        ["content-filter", "a content filter cut it off"]
      ] as const
    )("fails when the model finished for %s, and says so", ([reason, words]) =>
      Effect.gen(function*() {
        const responder = yield* makeResponder(() => Stream.make(start, delta("Hi"), end, finish(reason)))
        const error = yield* Effect.flip(Stream.runDrain(responder.respond(request)))
        assert.strictEqual(String(error), `ModelError: The model gave no complete reply: ${words}.`)
      }))

    it.effect.each(["tool-calls", "pause", "other", "unknown"] as const)(
      "is whole when the model finished for %s",
      (reason) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(
            yield* collect(Stream.make(start, delta("Hi"), end, finish(reason))),
            { deltas: ["Hi"], end: "Success" }
          )
        })
    )

    it.effect("fails when it ends in the middle of a text", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect(Stream.make(start, delta("Hi"))), { deltas: ["Hi"], end: "Failure" })
      }))

    it.effect("fails when it ends before there was any", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect(Stream.empty), { deltas: [], end: "Failure" })
      }))

    it.effect("fails when it ends in the middle of one of its texts", () =>
      Effect.gen(function*() {
        const parts = Stream.make(start, delta("Hi"), { ...start, id: "2" }, end, finish())
        assert.deepStrictEqual(yield* collect(parts), { deltas: ["Hi"], end: "Failure" })
      }))

    it.effect("may be an empty text", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect(Stream.make(start, end, finish())), { deltas: [], end: "Success" })
      }))

    it.effect("fails when the model says that it finished, and has sent no text", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* collect(Stream.make(finish())), { deltas: [], end: "Failure" })
      }))

    it.effect("is another one on each run of its stream", () =>
      Effect.gen(function*() {
        const replies = [Stream.make(start, delta("Hi"), end, finish()), Stream.empty]
        const responder = yield* makeResponder(() => Stream.suspend(() => replies.shift()!))
        const reply = Effect.exit(Stream.runDrain(responder.respond(request)))
        assert.deepStrictEqual([(yield* reply)._tag, (yield* reply)._tag], ["Success", "Failure"])
      }))

    it.effect("is interrupted in the model when its reader stops", () =>
      Effect.gen(function*() {
        const isInterrupted = yield* Deferred.make<void>()
        const responder = yield* makeResponder(() =>
          Stream.make(start, delta("Hi")).pipe(
            Stream.concat(Stream.never),
            Stream.ensuring(Deferred.succeed(isInterrupted, undefined))
          )
        )
        yield* responder.respond(request).pipe(Stream.take(1), Stream.runDrain)
        yield* Deferred.await(isInterrupted)
      }))
  })

  describe("failure", () => {
    const http = {
      module: "Test",
      method: "streamText",
      description: "cannot answer the-prompt",
      request: {
        method: "POST",
        url: "https://a.example",
        urlParams: [],
        hash: Option.none(),
        headers: { authorization: "Bearer the-key" }
      }
    } as const
    const errorPart = (error: unknown) => Stream.make<Array<Part>>(start, { type: "error", error })

    it.effect.each(
      [
        [
          "the request to its provider failed (Transport)",
          Stream.fail(new AiError.HttpRequestError({ ...http, reason: "Transport" }))
        ],
        [
          "its provider answered with an error, status 429",
          Stream.fail(
            new AiError.HttpResponseError({ ...http, reason: "StatusCode", response: { status: 429, headers: {} } })
          )
        ],
        [
          "its provider's answer broke off or could not be read (EmptyBody), status 200",
          Stream.fail(
            new AiError.HttpResponseError({ ...http, reason: "EmptyBody", response: { status: 200, headers: {} } })
          )
        ],
        ["Test.streamText failed (UnknownError)", Stream.fail(failure)],
        ["it sent an error", errorPart("overloaded")],
        ["it sent an error (rate_limit_exceeded)", errorPart({ code: "rate_limit_exceeded", message: "the-prompt" })],
        ["it sent an error", errorPart({ code: "cannot answer the-prompt" })],
        ["it sent an error", errorPart({ code: ["the_prompt"] })],
        ["it sent an error", errorPart({ code: "x".repeat(65) })]
      ] as const
    )("says why, without the words of the provider: %s", ([words, parts]) =>
      Effect.gen(function*() {
        const responder = yield* makeResponder(() => parts)
        const error = yield* Effect.flip(Stream.runDrain(responder.respond(request)))
        assert.strictEqual(String(error), `ModelError: The model gave no complete reply: ${words}.`)
        assert.notMatch(JSON.stringify(error), /the-prompt|the-key/)
      }))
  })

  it.effect.each<readonly [string, Cause.Cause<never>]>([
    ["dies of no AiError", Cause.die(new Error("a bug"))],
    ["interrupts itself", Cause.interrupt(FiberId.none)]
  ])("a reply whose model %s ends as the model does", ([_, cause]) =>
    Effect.gen(function*() {
      const responder = yield* makeResponder(() => Stream.concat(Stream.make(start), Stream.failCause(cause)))
      assert.deepStrictEqual(yield* Effect.exit(Stream.runDrain(responder.respond(request))), Exit.failCause(cause))
    }))

  it.effect.each([["one after the other", Cause.sequential], ["side by side", Cause.parallel]] as const)(
    "a reply whose model dies twice, %s, ends with both defects, without the words of the provider",
    ([_, both]) =>
      Effect.gen(function*() {
        const bug = Cause.die(new Error("a bug"))
        const cause = both(Cause.die(failure), both(bug, Cause.die(failure)))
        const responder = yield* makeResponder(() => Stream.concat(Stream.make(start), Stream.failCause(cause)))
        const error = Cause.die(
          new ResponderLanguageModel.ModelError({ reason: "Test.streamText failed (UnknownError)" })
        )
        assert.deepStrictEqual(
          yield* Effect.exit(Stream.runDrain(responder.respond(request))),
          Exit.failCause(both(error, both(bug, error)))
        )
      })
  )

  describe("over HTTP", () => {
    /** The events of a reply, and all that the server has logged. */
    const serve = (parts: Stream.Stream<Part, AiError.AiError>) =>
      Effect.gen(function*() {
        const log: Array<string> = []
        const logger = Logger.map(Logger.logfmtLogger, (line) => void log.push(line))
        const responder = yield* makeResponder(() => parts)
        const server = yield* TestServer.make({ responder }).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Effect.provide(Logger.minimumLogLevel(LogLevel.All))
        )
        const { body } = yield* TestServer.stream(server, yield* TestServer.newStreamToken(server))
        return { events: body as string, log: log.join("\n") }
      })

    const errorFrame = "data: {\"code\":500,\"msg\":\"The responder failed.\"}\n\n"

    it.scopedLive("a whole reply ends with [DONE]", () =>
      Effect.gen(function*() {
        const { events } = yield* serve(Stream.make(start, delta("Hi"), end, finish()))
        assert.strictEqual(events, "data: {\"content\":\"Hi\"}\n\ndata: [DONE]\n\n")
      }))

    it.scopedLive("a text that is not ended makes no whole reply, though the model says that it finished", () =>
      Effect.gen(function*() {
        const { events } = yield* serve(Stream.make(start, delta("Hi"), finish()))
        assert.strictEqual(events, `data: {"content":"Hi"}\n\n${errorFrame}`)
      }))

    it.scopedLive("a model that dies of an error that holds the prompt leaves no trace of it in the log", () =>
      Effect.gen(function*() {
        const failure = new AiError.UnknownError({
          module: "Test",
          method: "streamText",
          description: "cannot answer the-prompt",
          cause: new Error("the-prompt")
        })
        const { events, log } = yield* serve(Stream.orDie(Stream.concat(Stream.make(start), Stream.fail(failure))))
        assert.strictEqual(events, errorFrame)
        assert.match(log, /Test.streamText failed \(UnknownError\)/)
        assert.notInclude(log, "the-prompt")
      }))
  })
})
