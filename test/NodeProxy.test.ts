import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { GPTalk, Protocol } from "effect-gptalk"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Util from "node:util"
import { vi } from "vitest"
import { eventually } from "./utils/eventually.js"
import { listen, makeClosingProxy, makeProxy, makeService, makeSilentProxy, makeWebServer } from "./utils/proxies.js"

const user = "Jürgen@home"
const secret = "pä:ss/w@rd"
const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(secret)}`
const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`

const hasIPv6 = Object.values(Os.networkInterfaces()).flat().some((address) => address?.address === "::1")

const closedPort = Effect.scoped(listen(Http.createServer()))

const talk = (url: string, proxy: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError>) =>
  GPTalk.generateText({ prompt: "Hi" }).pipe(
    Effect.provide(GPTalk.layer({ url, retries: 0 }).pipe(Layer.provide(proxy)))
  )

const withEnv = (entries: Record<string, string>) => (layer: typeof NodeProxy.layerEnv) =>
  Layer.provide(
    layer,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "/" }))
  )

const setEnv = (name: string, value: string | undefined) => {
  const set = (value: string | undefined) =>
    Effect.sync(() => {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    })
  return Effect.suspend(() => {
    const before = process.env[name]
    return Effect.acquireRelease(set(value), () => set(before))
  })
}

const buildError = (layer: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError>) =>
  Effect.flip(Effect.scoped(Layer.build(layer)))

const assertHides = (value: unknown) => {
  const printed = [Util.inspect(value, { depth: 20, showHidden: true }), String(value), JSON.stringify(value)].join()
  for (const word of [secret, encodeURIComponent(secret), authorization.slice(6)]) {
    assert.notInclude(printed, word)
  }
}

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
        }))
    }

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
          assert.include(error.message, "407")
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
        assert.include(error.message, "the proxy opens no tunnels")
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

  describe("layerEnv", () => {
    for (const name of ["HTTP_PROXY", "http_proxy"]) {
      it.scopedLive(`goes through ${name}, with user and password`, () =>
        Effect.gen(function*() {
          const service = yield* makeService()
          const proxy = yield* makeProxy({ authorization })
          const layer = NodeProxy.layerEnv.pipe(withEnv({ [name]: `http://${credentials}@${proxy.host}` }))
          assert.strictEqual(yield* talk(service.url, layer), "Hello")
          assert.isAtLeast(proxy.targets.length, 1)
        }))
    }

    it.scopedLive("takes no notice of a path, as layer does", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const { url } = yield* makeProxy()
        for (const layer of [NodeProxy.layer, (url: string) => withEnv({ HTTP_PROXY: url })(NodeProxy.layerEnv)]) {
          assert.strictEqual(yield* talk(service.url, layer(`${url}/path?query#hash`)), "Hello")
        }
      }))

    it.scopedLive("prefers the lower-case name", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const other = yield* makeProxy()
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: other.url, http_proxy: proxy.url }))
        assert.strictEqual(yield* talk(service.url, layer), "Hello")
        assert.isAtLeast(proxy.targets.length, 1)
        assert.deepStrictEqual(other.targets, [])
      }))

    for (const no of ["127.0.0.1", "example.com, 127.0.0.1", "*", " * ", "*,example.com"]) {
      it.scopedLive(`goes past the proxy for NO_PROXY=${no}`, () =>
        Effect.gen(function*() {
          const service = yield* makeService()
          const proxy = yield* makeProxy()
          const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: proxy.url, NO_PROXY: no }))
          assert.strictEqual(yield* talk(service.url, layer), "Hello")
          assert.deepStrictEqual(proxy.targets, [])
        }))
    }

    for (const no of ["::1", "[::1]", "localhost,::1", "::1 localhost"]) {
      it.scopedLive.skipIf(!hasIPv6)(
        `goes past the proxy for NO_PROXY=${no}, to an address of IPv6`,
        () =>
          Effect.gen(function*() {
            const service = yield* makeService({ host: "::1" })
            const proxy = yield* makeProxy()
            const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: proxy.url, NO_PROXY: no }))
            assert.strictEqual(yield* talk(service.url, layer), "Hello")
            assert.deepStrictEqual(proxy.targets, [])
          })
      )
    }

    it.scopedLive("goes through the proxy for hosts that NO_PROXY does not name", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: proxy.url, no_proxy: "127.0.0.1:1,example.com" }))
        assert.strictEqual(yield* talk(service.url, layer), "Hello")
        assert.isAtLeast(proxy.targets.length, 1)
      }))

    it.scopedLive("does not send plain http through HTTPS_PROXY", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTPS_PROXY: proxy.url }))
        assert.strictEqual(yield* talk(service.url, layer), "Hello")
        assert.deepStrictEqual(proxy.targets, [])
      }))

    it.scopedLive("sends https through HTTPS_PROXY", () =>
      Effect.gen(function*() {
        const proxy = yield* makeProxy()
        const port = yield* closedPort
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTPS_PROXY: proxy.url }))
        yield* Effect.exit(talk(`https://127.0.0.1:${port}`, layer))
        assert.deepStrictEqual(proxy.targets, [`127.0.0.1:${port}`])
      }))

    it.scopedLive("takes an empty variable for one that is not set", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const layer = NodeProxy.layerEnv.pipe(
          withEnv({ HTTP_PROXY: proxy.url, http_proxy: "", https_proxy: " ", no_proxy: " " })
        )
        assert.strictEqual(yield* talk(service.url, layer), "Hello")
        assert.isAtLeast(proxy.targets.length, 1)
      }))

    it.effect("names a variable with the prefix of a nested provider", () =>
      Effect.gen(function*() {
        const provider = ConfigProvider.fromMap(new Map([["APP.HTTP_PROXY", "x"]])).pipe(ConfigProvider.nested("APP"))
        const error = yield* Effect.withConfigProvider(buildError(NodeProxy.layerEnv), provider)
        assert.deepInclude(error, { path: ["APP", "HTTP_PROXY"] })
      }))

    it.scopedLive("reads no environment but the one of Config", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        yield* setEnv("http_proxy", proxy.url)
        yield* setEnv("no_proxy", "")
        assert.strictEqual(yield* talk(service.url, NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: "" }))), "Hello")
        assert.strictEqual(yield* talk(service.url, NodeProxy.layerEnv.pipe(withEnv({}))), "Hello")
        assert.deepStrictEqual(proxy.targets, [])
        assert.strictEqual(yield* talk(service.url, NodeProxy.layerEnv), "Hello")
        assert.isAtLeast(proxy.targets.length, 1)
      }))

    it.effect("is a ConfigError with the variable's name for what is no proxy", () =>
      Effect.gen(function*() {
        for (const name of ["HTTPS_PROXY", "https_proxy"]) {
          for (const value of [`socks5://${credentials}@localhost`, `http://user@localhost`, "localhost:3128"]) {
            const env = { HTTPS_PROXY: "http://localhost:3128", [name]: value }
            const error = yield* buildError(NodeProxy.layerEnv.pipe(withEnv(env)))
            assert.isTrue(ConfigError.isInvalidData(error))
            assert.deepStrictEqual(ConfigError.isInvalidData(error) && error.path, [name])
            assertHides(error)
          }
        }
      }))
  })
})
