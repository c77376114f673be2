/**
 * A call that goes through a proxy, a user and a password for that, and how a layer with no such proxy fails.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert } from "@effect/vitest"
import { GPTalk } from "effect-gptalk"
import type * as NodeProxy from "effect-gptalk/NodeProxy"
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import * as Util from "node:util"
import { listen } from "./proxies.js"

const user = "Jürgen@home"
const secret = "pä:ss/w@rd"
export const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(secret)}`
export const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`

export const closedPort = Effect.scoped(listen(Http.createServer()))

export const talk = (url: string, proxy: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError>) =>
  GPTalk.generateText({ prompt: "Hi" }).pipe(
    Effect.provide(GPTalk.layer({ url, retries: 0 }).pipe(Layer.provide(proxy)))
  )

export const withEnv = (entries: Record<string, string>) => (layer: typeof NodeProxy.layerEnv) =>
  Layer.provide(
    layer,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "/" }))
  )

export const buildError = (layer: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError>) =>
  Effect.flip(Effect.scoped(Layer.build(layer)))

export const assertHides = (value: unknown) => {
  const printed = [Util.inspect(value, { depth: 20, showHidden: true }), String(value), JSON.stringify(value)].join()
  for (const word of [secret, encodeURIComponent(secret), authorization.slice(6)]) {
    assert.notInclude(printed, word)
  }
}
