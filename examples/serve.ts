/**
 * `npm run serve`: the server alone. With `OPENAI_API_KEY` that model answers, otherwise an echo.
 */
import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
import { Command, HelpDoc, Options } from "@effect/cli"
import { HttpClient, HttpLayerRouter, HttpServer } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { Config, Console, Data, Effect, Layer, Option, Predicate, Schedule, Schema, Stream } from "effect"
import * as GPTalkServer from "effect-gptalk/GPTalkServer"
import * as Responder from "effect-gptalk/Responder"
import * as ResponderLanguageModel from "effect-gptalk/ResponderLanguageModel"
import * as Echo from "./echo.js"
import * as NodeServer from "./node-server.js"
import { run } from "./run.js"

const apiKey = Config.redacted(Config.nonEmptyString("OPENAI_API_KEY"))

const openAi = Config.all({
  apiKey,
  apiUrl: Config.nonEmptyString("OPENAI_BASE_URL").pipe(
    Config.validate({
      message: "Expected an http or https URL, such as https://api.openai.com/v1",
      validation: (url) => /^https?:\/\//i.test(url) && URL.canParse(url)
    }),
    Config.withDefault(undefined)
  ),
  model: Config.withDefault(Config.nonEmptyString("OPENAI_MODEL"), "gpt-4.1-mini")
})

/** 0 is what a client sends that asks for no temperature, and some models accept none. */
const withTemperature = (responder: Responder.Service): Responder.Service =>
  Responder.make((request) =>
    request.temperature === 0
      ? responder.respond(request)
      : Stream.provideService(responder.respond(request), OpenAiLanguageModel.Config, {
        temperature: request.temperature
      })
  )

const layerOpenAi = ({ apiKey, apiUrl, model }: Config.Config.Success<typeof openAi>) =>
  Layer.effect(Responder.Responder, Effect.map(ResponderLanguageModel.fromLanguageModel, withTemperature)).pipe(
    Layer.provide(OpenAiLanguageModel.layer({ model })),
    Layer.provide(OpenAiClient.layer({
      apiKey,
      apiUrl,
      // The clients of this server do not retry a reply that ends with an error frame.
      transformClient: HttpClient.retryTransient({ schedule: Schedule.exponential("500 millis"), times: 2 })
    })),
    Layer.provide(NodeHttpClient.layerUndici)
  )

class ListenError extends Data.TaggedError("ListenError")<{ readonly message: string }> {}

const toListenError = (cause: unknown, host: string, port: number): ListenError => {
  const isInUse = Predicate.hasProperty(cause, "code") && cause.code === "EADDRINUSE"
  return new ListenError({
    message: isInUse
      ? `Port ${port} of ${host} is in use: choose another with --port.`
      : `Cannot listen on port ${port} of ${host}: ${cause instanceof Error ? cause.message : String(cause)}`
  })
}

/** The platform's own format has no brackets around an IPv6 address. */
const toUrl = (address: HttpServer.Address): string =>
  address._tag === "TcpAddress" && address.hostname.includes(":")
    ? `http://[${address.hostname}]:${address.port}`
    : HttpServer.formatAddress(address)

const serve = Effect.fnUntraced(function*({ host, port }: { readonly host: string; readonly port: number }) {
  // Without the key, nothing else of it is read.
  const settings = yield* Effect.transposeMapOption(yield* Config.option(apiKey), () => openAi)
  const [responder, what] = Option.match(settings, {
    onNone: () => [Echo.layer, "an echo; set OPENAI_API_KEY for a model"] as const,
    onSome: (settings) => [layerOpenAi(settings), settings.model] as const
  })
  const routes = GPTalkServer.layer().pipe(Layer.provide(responder))
  const listening = HttpServer.addressWith((address) => Console.error(`Listening on ${toUrl(address)} (${what})`))
  yield* HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.merge(Layer.effectDiscard(listening)),
    Layer.provide(NodeServer.layer({ host, port })),
    Layer.launch,
    Effect.catchTag("ServeError", ({ cause }) => toListenError(cause, host, port))
  )
})

const options = {
  host: Options.text("host").pipe(
    Options.withSchema(Schema.NonEmptyString.annotations({ message: () => "A host is required: empty means all." })),
    Options.withDescription("The address to listen on; default: 127.0.0.1."),
    Options.withDefault("127.0.0.1")
  ),
  port: Options.integer("port").pipe(
    Options.withSchema(Schema.Int.pipe(Schema.between(0, 65535, { message: () => "A port must be 0 to 65535." }))),
    Options.withDescription("The port to listen on, 0 for a free one; default: 8787."),
    Options.withDefault(8787)
  )
}

const command = Command.make("serve", options, serve).pipe(Command.withDescription("Serves the GPTalk protocol."))

const environment = HelpDoc.sequence(
  HelpDoc.h1("ENVIRONMENT"),
  HelpDoc.descriptionList([
    [HelpDoc.getSpan(HelpDoc.p("OPENAI_API_KEY")), HelpDoc.p("If set, a model answers; otherwise an echo.")],
    [HelpDoc.getSpan(HelpDoc.p("OPENAI_BASE_URL")), HelpDoc.p("Another service with OpenAI's Responses API.")],
    [HelpDoc.getSpan(HelpDoc.p("OPENAI_MODEL")), HelpDoc.p("The model; default: gpt-4.1-mini.")]
  ])
)

Command.run(command, { name: "GPTalk server", version: "0.1.0", footer: environment })(process.argv).pipe(
  Effect.provide(NodeContext.layer),
  (program) => run(program, { exitCodeOnInterrupt: 0 })
)
