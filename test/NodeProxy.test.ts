import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { GPTalk, Protocol } from "effect-gptalk"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import { vi } from "vitest"
import { eventually } from "./utils/eventually.js"
import { listen, makeClosingProxy, makeProxy, makeService, makeSilentProxy, makeWebServer } from "./utils/proxies.js"
import { assertHides, authorization, buildError, closedPort, credentials, talk, withEnv } from "./utils/throughProxy.js"

describe("NodeProxy", () => {
  describe("layer", () => {
    it.scopedLive("sends all three requests to a plain http service through the proxy", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const reply = yield* talk(service.url, NodeProxy.layer(proxy.url))
        assert.strictEqual(reply, "Hello")
        assert.deepStrictEqual(service.paths, [Protocol.paths.login, Protocol.paths.text, Protocol.paths.stream])
        assert.isAtLeast(proxy.targets.length, 1)
        assert.deepStrictEqual(new Set(proxy.targets), new Set([`127.0.0.1:${service.port}`]))
      }))

    it.scopedLive("reaches nothing without the proxy", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const port = yield* closedPort
        const error = yield* Effect.flip(talk(service.url, NodeProxy.layer(`http://127.0.0.1:${port}`)))
        assert.strictEqual(error._tag, "ConnectionError")
        assert.strictEqual(error._tag === "ConnectionError" && error.cause.code, "ECONNREFUSED")
        assert.deepStrictEqual(service.paths, [])
      }))

    for (
      const [kind, make] of [
        ["string", (url: string) => url],
        ["URL", (url: string) => new URL(url)],
        ["redacted string", (url: string) => Redacted.make(url)],
        ["redacted URL", (url: string) => Redacted.make(new URL(url))]
      ] as const
    ) {
      it.scopedLive(`takes user and password from a ${kind}`, () =>
        Effect.gen(function*() {
          const service = yield* makeService()
          const proxy = yield* makeProxy({ authorization })
          const layer = NodeProxy.layer(make(`http://${credentials}@${proxy.host}`))
          assert.strictEqual(yield* talk(service.url, layer), "Hello")
          assert.isAtLeast(proxy.targets.length, 1)
        }))
    }

    for (
      const [kind, prefix, decoded] of [
        ["a user without a password", "key@", "key:"],
        ["a password without a user", ":key@", ":key"]
      ] as const
    ) {
      it.scopedLive(`takes ${kind}`, () =>
        Effect.gen(function*() {
          const service = yield* makeService()
          const proxy = yield* makeProxy({ authorization: `Basic ${btoa(decoded)}` })
          assert.strictEqual(yield* talk(service.url, NodeProxy.layer(`http://${prefix}${proxy.host}`)), "Hello")
          assert.isAtLeast(proxy.targets.length, 1)
        }))
    }

    it.scopedLive("sends no credentials where the URL has none", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        yield* talk(service.url, NodeProxy.layer(proxy.url))
        assert.deepStrictEqual(new Set(proxy.authorizations), new Set([undefined]))
      }))

    it.scopedLive("speaks TLS with a proxy of an https URL", () =>
      Effect.gen(function*() {
        const firstBytes: Array<number | undefined> = []
        const server = Http.createServer()
        server.on("clientError", (error: Error & { readonly rawPacket?: Buffer }, socket) => {
          firstBytes.push(error.rawPacket?.[0])
          socket.destroy()
        })
        const url = `https://localhost:${yield* listen(server)}`
        const error = yield* Effect.flip(talk("http://127.0.0.1:9", NodeProxy.layer(url)))
        assert.strictEqual(error._tag, "ConnectionError")
        const handshake = 22
        assert.deepStrictEqual(firstBytes, [handshake])
      }))

    for (const [kind, prefix] of [["no password", ""], ["a wrong password", "user:wrong@"]] as const) {
      it.scopedLive(`fails with the proxy's status for ${kind}`, () =>
        Effect.gen(function*() {
          const service = yield* makeService()
          const proxy = yield* makeProxy({ authorization })
          const error = yield* Effect.flip(talk(service.url, NodeProxy.layer(`http://${prefix}${proxy.host}`)))
          assert.strictEqual(error._tag, "ConnectionError")
          assert.include(error.message, "(the proxy refused the tunnel with status 407)")
          assert.deepStrictEqual(service.paths, [])
        }))
    }

    for (
      const [name, layerOf] of [
        ["layer", NodeProxy.layer],
        ["layerEnv", (url: string) => NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: url }))]
      ] as const
    ) {
      it.scopedLive(`fails for a proxy that closes the connection, and asks it no more (${name})`, () =>
        Effect.gen(function*() {
          const proxy = yield* makeClosingProxy
          const error = yield* Effect.flip(talk("http://127.0.0.1:9", layerOf(proxy.url)))
          assert.strictEqual(error._tag, "ConnectionError")
          assert.deepInclude(error, { cause: { name: "Error", code: "ECONNRESET", message: "other side closed" } })
          assert.strictEqual(proxy.asked.count, 1)
        }))
    }

    it.scopedLive("fails for a web server that answers in place of a proxy, and asks it no more", () =>
      Effect.gen(function*() {
        const server = yield* makeWebServer
        const error = yield* Effect.flip(talk("http://127.0.0.1:9", NodeProxy.layer(server.url)))
        assert.strictEqual(error._tag, "ConnectionError")
        assert.include(error.message, "the proxy opened no tunnel")
        assert.strictEqual(server.asked.count, 1)
      }))

    it.scopedLive("hangs up on a proxy that does not answer in time, though nobody waits any more", () =>
      Effect.gen(function*() {
        const proxy = yield* makeSilentProxy
        const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((millis) => {
          assert.strictEqual(millis, 30_000)
          const controller = new AbortController()
          setTimeout(() => controller.abort(), 300)
          return controller.signal
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => timeout.mockRestore()))
        yield* Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          const request = yield* Effect.fork(client.get("http://127.0.0.1:9"))
          yield* eventually(() => assert.strictEqual(proxy.sockets.open, 1))
          yield* Fiber.interrupt(request)
          yield* eventually(() => assert.strictEqual(proxy.sockets.open, 0))
        }).pipe(Effect.provide(NodeProxy.layer(proxy.url)))
      }))

    it.scopedLive("prints the password nowhere", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const port = yield* closedPort
        const proxy = yield* makeProxy({ authorization: "Basic other" })
        const printed: Array<unknown> = []
        const logger = Logger.make((options) => void printed.push(Logger.jsonLogger.log(options), options.message))
        const request = (url: string) =>
          Effect.gen(function*() {
            const client = yield* HttpClient.HttpClient
            printed.push(client, yield* Effect.exit(client.get(service.url)))
            const exit = yield* Effect.exit(talk(service.url, NodeProxy.layer(url)))
            assert.isTrue(Exit.isFailure(exit))
            printed.push(exit, Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "")
          }).pipe(Effect.provide(NodeProxy.layer(url)))
        yield* Effect.all([
          request(`http://${credentials}@127.0.0.1:${port}`),
          request(`http://${credentials}@${proxy.host}`),
          Effect.exit(talk(service.url, NodeProxy.layer(`ftp://${credentials}@127.0.0.1`))).pipe(
            Effect.tap((exit) => Effect.sync(() => printed.push(exit)))
          )
        ]).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Logger.withMinimumLogLevel(LogLevel.All)
        )
        assert.isAtLeast(printed.length, 8)
        printed.forEach(assertHides)
      }))

    for (
      const [kind, url] of [
        ["no URL", "not a url"],
        ["empty", ""],
        ["a host and a port alone", "localhost:3128"],
        ["a URL of another kind", `ftp://${credentials}@localhost`],
        ["a URL whose password is not percent-encoded", "http://user:50%@localhost"]
      ] as const
    ) {
      it.effect(`is a ConfigError for ${kind}`, () =>
        Effect.gen(function*() {
          const error = yield* buildError(NodeProxy.layer(url))
          assert.isTrue(ConfigError.isInvalidData(error))
          assert.include(String(error), "Expected the URL of a proxy")
          assertHides(error)
        }))
    }

    it.scopedLive("closes its connections with the layer", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        yield* Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          yield* Effect.scoped(Effect.flatMap(client.get(service.url + Protocol.paths.login), (_) => _.text))
          assert.isAtLeast(proxy.sockets.open, 1)
        }).pipe(Effect.provide(NodeProxy.layer(proxy.url)))
        yield* eventually(() => assert.strictEqual(proxy.sockets.open, 0))
      }))

    it.scopedLive("closes a connection in use with the layer too, and fails its request", () =>
      Effect.gen(function*() {
        const service = yield* makeService({ hang: true })
        const proxy = yield* makeProxy()
        const request = yield* Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          const request = yield* Effect.forkScoped(
            Effect.flatMap(client.get(service.url + Protocol.paths.stream), (_) => _.text)
          )
          yield* eventually(() => assert.strictEqual(service.streams.open, 1))
          return request
        }).pipe(Effect.provide(NodeProxy.layer(proxy.url)))
        assert.isTrue(Exit.isFailure(yield* Fiber.await(request)))
        yield* eventually(() => assert.strictEqual(service.streams.open, 0))
      }))

    it.scopedLive("closes the stream at the service when the consumer stops", () =>
      Effect.gen(function*() {
        const service = yield* makeService({ hang: true })
        const proxy = yield* makeProxy()
        yield* Effect.gen(function*() {
          const deltas = yield* GPTalk.streamText({ prompt: "Hi" }).pipe(Stream.take(1), Stream.runCollect)
          assert.deepStrictEqual(Array.from(deltas), ["Hel"])
          yield* eventually(() => assert.strictEqual(service.streams.open, 0))
        }).pipe(Effect.provide(GPTalk.layer({ url: service.url }).pipe(Layer.provide(NodeProxy.layer(proxy.url)))))
      }))
  })
})
