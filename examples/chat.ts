/**
 * `npm start -- "Hello"`: the reply, and nothing else, on stdout. Without a prompt it reads one from a pipe, or holds a
 * conversation on a terminal. Without `GPTALK_URL` it talks to a server of its own, which echoes.
 */
import { Args, Command, HelpDoc } from "@effect/cli"
import { NodeContext, NodeHttpClient, NodeStream } from "@effect/platform-node"
import { Config, ConfigError, Console, Data, Effect, Layer, Option, Stream } from "effect"
import * as GPTalk from "effect-gptalk/GPTalk"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import { converse } from "./chat/conversation.js"
import { writeReply } from "./chat/output.js"
import { dim } from "./chat/style.js"
import * as EmbeddedServer from "./embedded-server.js"
import { run } from "./run.js"

const proxyUrl = Config.option(Config.redacted(Config.nonEmptyString("GPTALK_PROXY")))

const HttpClientLive = Layer.unwrapEffect(Effect.map(
  proxyUrl,
  Option.match({
    onNone: () => NodeHttpClient.layerUndici,
    onSome: (url) => Layer.mapError(NodeProxy.layer(url), ConfigError.prefixed(["GPTALK_PROXY"]))
  })
))

const GPTalkLive = Layer.provide(EmbeddedServer.layer, HttpClientLive)

class PromptError extends Data.TaggedError("PromptError")<{ readonly message: string }> {}

const readPipe = NodeStream.stdin.pipe(
  Stream.decodeText(),
  Stream.mkString,
  Effect.map((text) => text.replace(/(?<![\r\n])[\r\n]+$/, ""))
)

const answer = Effect.fnUntraced(function*(prompt: string) {
  if (prompt.trim() === "") {
    return yield* new PromptError({ message: "The prompt is empty: pass it as an argument or through a pipe." })
  }
  yield* writeReply(GPTalk.streamText({ prompt }))
})

const talk = Effect.gen(function*() {
  if (Option.isNone(yield* EmbeddedServer.serviceUrl)) {
    yield* Console.error(dim("This is the embedded server, which echoes. Set GPTALK_URL to use another."))
  }
  yield* converse
})

const prompt = Args.text({ name: "prompt" }).pipe(
  Args.withDescription(
    "What to ask; several words need no quotes, unless one is an option such as --help. Without it: standard input, or " +
      "a conversation."
  ),
  Args.repeated
)

const chat = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  if (words.length > 0) return yield* answer(words.join(" "))
  if (process.stdin.isTTY) return yield* talk
  return yield* answer(yield* readPipe)
})

const command = Command.make("chat", { prompt }, ({ prompt }) =>
  chat(prompt).pipe(
    Effect.provide(GPTalkLive),
    // Whoever read the reply has seen enough.
    Effect.catchIf((error) => error._tag === "OutputError" && error.code === "EPIPE", () => Effect.void)
  )).pipe(Command.withDescription("Streams a reply to standard output."))

const environment = HelpDoc.sequence(
  HelpDoc.h1("ENVIRONMENT"),
  HelpDoc.descriptionList([
    [HelpDoc.getSpan(HelpDoc.p("GPTALK_URL")), HelpDoc.p("The service; default: an embedded server that echoes.")],
    [HelpDoc.getSpan(HelpDoc.p("GPTALK_MODEL")), HelpDoc.p(`The model; default: ${GPTalk.provider.defaultModel}.`)],
    [HelpDoc.getSpan(HelpDoc.p("GPTALK_PROXY")), HelpDoc.p("The URL of an HTTP proxy to go through.")]
  ])
)

Command.run(command, { name: "GPTalk chat", version: "0.1.0", footer: environment })(process.argv).pipe(
  Effect.provide(NodeContext.layer),
  (program) => run(program, { exitCodeOnInterrupt: 130 })
)
