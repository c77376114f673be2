import { assert, describe, it } from "@effect/vitest"
import * as NodeProxy from "effect-gptalk/NodeProxy"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Os from "node:os"
import { makeProxy, makeService } from "./utils/proxies.js"
import { assertHides, authorization, buildError, closedPort, credentials, talk, withEnv } from "./utils/throughProxy.js"

const hasIPv6 = Object.values(Os.networkInterfaces()).flat().some((address) => address?.address === "::1")

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

describe("NodeProxy", () => {
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
        for (const layer of [NodeProxy.layer, (url: string) => withEnv({ HTTP_PROXY: url })(NodeProxy.layerEnv)]) {
          const { targets, url } = yield* makeProxy()
          assert.strictEqual(yield* talk(service.url, layer(`${url}/path?query#hash`)), "Hello")
          assert.isAtLeast(targets.length, 1)
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

    it.scopedLive("goes past the proxy for a host and port in NO_PROXY", () =>
      Effect.gen(function*() {
        const service = yield* makeService()
        const proxy = yield* makeProxy()
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: proxy.url, NO_PROXY: new URL(service.url).host }))
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

    it.scopedLive("sends https through HTTP_PROXY where HTTPS_PROXY is not set", () =>
      Effect.gen(function*() {
        const proxy = yield* makeProxy()
        const port = yield* closedPort
        const layer = NodeProxy.layerEnv.pipe(withEnv({ HTTP_PROXY: proxy.url }))
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
          for (
            const value of [
              `socks5://${credentials}@localhost`,
              "http://user@localhost",
              "http://:s3cr3t@localhost",
              "localhost:3128"
            ]
          ) {
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
