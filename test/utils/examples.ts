/**
 * The examples as programs, and a server for them to talk to.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Effect, Logger, Queue, type Scope, Stream } from "effect"
import * as Responder from "effect-gptalk/Responder"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { bundleExamples } from "./Child.js"
import * as TestServer from "./TestServer.js"

/** Where each of them is while the tests of a file run. */
export const bundled = (...names: ReadonlyArray<string>): (name: string) => string => {
  let directory: string
  beforeAll(async () => {
    directory = await bundleExamples(...names)
  }, 60_000)
  afterAll(() => rm(directory, { recursive: true }))
  return (name) => join(directory, `${name}.mjs`)
}

export const live = <E>(name: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(test(), Logger.remove(Logger.defaultLogger)), 60_000)

/** A server whose replies depend on how the last question begins. */
export const serve = (questions: Queue.Enqueue<string> | undefined = undefined) =>
  TestServer.make({
    responder: Responder.make(({ model, prompt }) => {
      const question = prompt.replace(/\nAssistant:$/, "").replace(/[^]*\nUser: /, "")
      const reply = question.startsWith("slow")
        ? Stream.concat(Stream.make("It begins"), Stream.never)
        : question.startsWith("silent")
        ? Stream.never
        : question.startsWith("fail")
        ? Stream.fail("no")
        : question.startsWith("half")
        ? Stream.concat(
          Stream.make("Half"),
          Stream.concat(Stream.execute(Effect.sleep("50 millis")), Stream.fail("no"))
        )
        : question.startsWith("escape")
        ? Stream.make("\x1b[2J\x07clear")
        : Stream.make(model, " answers")
      return questions === undefined ? reply : Stream.unwrap(Effect.as(Queue.offer(questions, prompt), reply))
    })
  })

export const hasNoEscapes = (text: string): void => assert.notInclude(text, "\x1b")

/** Nothing listens there. */
export const nowhere = "http://127.0.0.1:9"
