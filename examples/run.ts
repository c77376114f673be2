/**
 * Runs a program of the command line to its end. What fails is one line on stderr and exit code 1; the log goes to
 * stderr too, for stdout belongs to the reply.
 */
import { ValidationError } from "@effect/cli"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, ConfigError, Console, Effect, Exit, Logger, Predicate } from "effect"
import { stripVTControlCharacters } from "node:util"
import { error, hasColors, isColored } from "./chat/style.js"

// What can no longer be said must not end the program.
process.stderr.on("error", () => {})

/** A `ConfigError` keeps apart the name of the variable that its message is about. */
const describeConfig = (error: ConfigError.ConfigError): string =>
  "path" in error
    ? `${error.path.join(".")}: ${error.message}`
    : `${describeConfig(error.left)}; ${describeConfig(error.right)}`

const describe = (failure: unknown): string =>
  ConfigError.isConfigError(failure)
    ? describeConfig(failure)
    : Predicate.hasProperty(failure, "message")
    ? String(failure.message)
    : String(failure)

/** @effect/cli has already said what is wrong with the arguments. */
const isReported = (cause: Cause.Cause<unknown>): boolean =>
  Cause.isInterruptedOnly(cause) || ValidationError.isValidationError(Cause.squash(cause))

type Write = Console.Console["log"]

const toPlain = (stream: NodeJS.WriteStream, write: Write): Write =>
  isColored(stream)
    ? write
    : (...args) => write(...args.map((arg) => typeof arg === "string" ? stripVTControlCharacters(arg) : arg))

/** @effect/cli colours its help wherever it goes. */
const withPlainConsole = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((console) =>
    Effect.withConsole(effect, {
      ...console,
      log: toPlain(process.stdout, console.log),
      error: toPlain(process.stderr, console.error)
    })
  )

export const run = <E>(
  program: Effect.Effect<void, E>,
  options: { readonly exitCodeOnInterrupt: number }
): void =>
  program.pipe(
    Effect.tapErrorCause((cause) =>
      isReported(cause) ? Effect.void : Console.error(error(describe(Cause.squash(cause))))
    ),
    withPlainConsole,
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.prettyLogger({ stderr: true, colors: hasColors }))),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      disablePrettyLogger: true,
      teardown: (exit, onExit) =>
        onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? options.exitCodeOnInterrupt : 1)
    })
  )
