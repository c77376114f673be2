/**
 * What a client has to bear, and what that costs: each of these gives numbers and leaves it to others to judge them.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import type * as Net from "node:net"
import * as GPTalk from "../../src/GPTalk.js"
import { eventually } from "./eventually.js"
import type { Exchange } from "./FaultServer.js"
import * as FaultServer from "./FaultServer.js"
import { collectGarbage } from "./garbage.js"

export type Client = Layer.Layer<HttpClient.HttpClient>

/** In bytes, with what lies outside the heap of JavaScript, after two collections. */
const memory = Effect.gen(function*() {
  for (let count = 0; count < 2; count++) {
    collectGarbage()
    yield* Effect.sleep("20 millis")
  }
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
})

const request = { prompt: "Hi" }

const withServer = <A, E>(
  client: Client,
  options: FaultServer.Options,
  use: (server: FaultServer.FaultServer) => Effect.Effect<A, E, GPTalk.GPTalk | Scope.Scope>
): Effect.Effect<A, E> =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* FaultServer.make({ remembers: false, ...options })
    return yield* Effect.provide(Effect.provide(use(server), GPTalk.layer({ url: server.url, retries: 0 })), client)
  }))

/** So many replies that all have begun before the first of them ends. */
export const openAtOnce = (client: Client, count: number) =>
  Effect.gen(function*() {
    const allOpen = yield* Deferred.make<void>()
    const held: Array<Exchange> = []
    const hold = (exchange: Exchange) => {
      held.push(exchange)
      exchange.head(200, { ...exchange.headers, "transfer-encoding": "chunked" })
      exchange.socket.write(FaultServer.chunk(exchange.body[0] ?? ""))
    }
    let begun = 0
    return yield* withServer(client, { faults: { stream: hold } }, (server) =>
      Effect.gen(function*() {
        const one = GPTalk.streamText(request).pipe(
          Stream.tap(() => Effect.sync(() => ++begun === count && Deferred.unsafeDone(allOpen, Effect.void))),
          Stream.mkString
        )
        const release = Effect.gen(function*() {
          yield* Deferred.await(allOpen)
          const open = server.pending
          for (const { body, end, socket } of held) {
            for (const part of body.slice(1)) socket.write(FaultServer.chunk(part))
            end(FaultServer.chunk(""))
          }
          return open
        })
        const [replies, open] = yield* Effect.all([
          Effect.all(Array.from({ length: count }, () => one), { concurrency: "unbounded" }),
          release
        ], { concurrency: 2 })
        return { open, logins: server.requests.login, replies: new Set(replies) }
      }))
  })

/**
 * How much more memory is held after so many replies than after the first of them. Every tenth is left after its first
 * delta.
 */
export const oneAfterAnother = (client: Client, { count, first }: { readonly count: number; readonly first: number }) =>
  withServer(client, {}, () =>
    Effect.gen(function*() {
      const replies = (from: number, to: number): Effect.Effect<void, unknown, GPTalk.GPTalk> =>
        Effect.loop(from, {
          while: (index) => index < to,
          step: (index) => index + 1,
          body: (index) =>
            index % 10 === 0
              ? Stream.runDrain(Stream.take(GPTalk.streamText(request), 1))
              : GPTalk.generateText(request),
          discard: true
        })
      yield* replies(0, first)
      const before = yield* memory
      yield* replies(first, count)
      return { growth: (yield* memory) - before }
    }))

/**
 * A consumer that takes its time between two deltas, and a server that sends all it can. How much of that it got rid
 * of, and how much memory was held at the worst.
 */
export const slowConsumer = (
  client: Client,
  options: { readonly deltas: number; readonly pause: Duration.DurationInput }
) =>
  Effect.gen(function*() {
    const start = "x".repeat(64 * 1024)
    let socket: Net.Socket | undefined
    const send = (exchange: Exchange, index: number): void => {
      if (exchange.socket.destroyed) return
      const frame = `data: ${JSON.stringify({ content: start + "y".repeat(index) })}\n`
      if (exchange.socket.write(FaultServer.chunk(frame))) setImmediate(() => send(exchange, index + 1))
      else exchange.socket.once("drain", () => send(exchange, index + 1))
    }
    const flood = (exchange: Exchange) => {
      socket = exchange.socket
      exchange.head(200, { ...exchange.headers, "transfer-encoding": "chunked" })
      send(exchange, 0)
    }
    return yield* withServer(client, { faults: { stream: flood } }, (server) =>
      Effect.gen(function*() {
        const before = yield* memory
        let most = 0
        let sent = 0
        yield* GPTalk.streamText(request).pipe(
          Stream.take(options.deltas),
          Stream.runForEach(() =>
            Effect.zipRight(
              Effect.sleep(options.pause),
              Effect.map(memory, (now) => {
                most = Math.max(most, now - before)
                sent = (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0)
              })
            )
          )
        )
        yield* eventually(() => {
          if (server.pending > 0) throw new Error("the connection is still open")
        })
        return { sent, most }
      }))
  })

/** One frame of so many bytes. */
export const largeFrame = (client: Client, size: number) =>
  withServer(
    client,
    { deltas: ["x".repeat(size - "{\"content\":\"\"}".length)] },
    () => Effect.map(GPTalk.generateText(request), (text) => text.length)
  )

const resources = () => {
  const all = process.getActiveResourcesInfo()
  const count = (...names: ReadonlyArray<string>) => all.filter((name) => names.includes(name)).length
  return { sockets: count("TCPSocketWrap", "TCPServerWrap", "TLSWrap"), timers: count("Timeout", "Immediate") }
}

/** What there is when nothing has changed for a while: the sockets of what ran before may still be on their way out. */
const settledResources = Effect.gen(function*() {
  let last = resources()
  for (let calm = 0, count = 0; calm < 10 && count < 300; count++) {
    yield* Effect.sleep("20 millis")
    const now = resources()
    calm = now.sockets === last.sockets && now.timers === last.timers ? calm + 1 : 0
    last = now
  }
  return last
})

class Counter extends Supervisor.AbstractSupervisor<number> {
  private live = 0
  override readonly value = Effect.sync(() => this.live)
  override onStart() {
    this.live++
  }
  override onEnd() {
    this.live--
  }
}

/** How many more sockets, timers and fibers there are after an effect than there were before. */
export const leftovers = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* settledResources
    const counter = new Counter()
    yield* Effect.provide(effect, Supervisor.addSupervisor(counter))
    const after = yield* settledResources
    return {
      sockets: Math.max(0, after.sockets - before.sockets),
      timers: Math.max(0, after.timers - before.timers),
      fibers: yield* counter.value
    }
  })
