/**
 * An `HttpClient` for Node that goes through an HTTP proxy: a given one, or those of the environment.
 *
 * Every request, even to a plain `http:` URL, goes through a `CONNECT` tunnel of the proxy. A proxy that cannot be
 * reached, or that refuses the tunnel (407 without valid credentials) or does not open it within 30 seconds, is a
 * `RequestError` of the `HttpClient`, which GPTalk turns into a `ConnectionError`. No error, log line or span holds the
 * user or the password.
 *
 * Needs `@effect/platform-node`.
 *
 * @since 0.1.0
 */

import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Url from "@effect/platform/Url"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"

/**
 * All requests go through this proxy: an `http:` or `https:` URL, with a user and a password (percent-encoded where
 * needed) if the proxy requires them. The connections are closed with the layer.
 *
 * An invalid URL is a `ConfigError`, which does not quote it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as NodeProxy from "effect-gptalk/NodeProxy"
 *
 * const Live = GPTalk.layer().pipe(Layer.provide(NodeProxy.layer("http://user:password@localhost:3128")))
 */
export const layer = (
  url: string | URL | Redacted.Redacted<string | URL>
): Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> =>
  fromDispatcher(
    Effect.map(Effect.suspend(() => parse(Redacted.isRedacted(url) ? Redacted.value(url) : url)), (proxy) =>
      new Undici.ProxyAgent({
        uri: proxy.origin,
        factory: poolOf,
        ...(hasCredentials(proxy) ? { token: basic(proxy) } : {})
      }))
  )

/** How long to wait for a tunnel, in milliseconds: undici keeps waiting even when the request is gone. */
const tunnelTimeout = 30_000

/** The codes of errors after which undici opens another connection, again and again. */
const recoverable: ReadonlyArray<unknown> = ["UND_ERR_SOCKET", "UND_ERR_INFO"]

/** What undici says of a proxy that refuses the tunnel. */
const refusal = /^Proxy response \((\d+)\) !== 200 when HTTP Tunneling$/

/**
 * A pool in which a tunnel that breaks before it is used, or takes too long, fails the request that needs it. Without
 * this, undici would open tunnels endlessly, even when no request waits for one any more.
 */
const poolOf = (origin: string | URL, options: Undici.Pool.Options): Undici.Dispatcher => {
  const { connect } = options
  if (typeof connect !== "function") return new Undici.Pool(origin, options)
  return new Undici.Pool(origin, {
    ...options,
    connect: (target, callback) => {
      const fail = (message: string) => callback(Object.assign(new Error(message), { code: "ECONNRESET" }), null)
      const options = { ...target, signal: AbortSignal.timeout(tunnelTimeout) }
      return connect(options, (...[error, socket]) => {
        if (error !== null) {
          const status = refusal.exec(error.message)?.[1]
          if (status !== undefined) fail(`the proxy refused the tunnel with status ${status}`)
          else if (Predicate.hasProperty(error, "code") && recoverable.includes(error.code)) fail(error.message)
          else callback(error, null)
        } else if (socket.readableLength > 0) {
          // Bytes before any were sent: a web server in place of the proxy has answered CONNECT with a page.
          socket.destroy()
          fail("the proxy opened no tunnel")
        } else callback(null, socket)
      })
    }
  })
}

const fromDispatcher = <E>(make: Effect.Effect<Undici.Dispatcher, E>): Layer.Layer<HttpClient.HttpClient, E> =>
  Layer.provide(
    NodeHttpClient.layerUndiciWithoutDispatcher,
    Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(make, (dispatcher) => Effect.promise(() => dispatcher.destroy()))
    )
  )

const invalid = (issue: string): ConfigError.ConfigError =>
  ConfigError.InvalidData([], `Expected the URL of a proxy, such as http://user:password@localhost:3128: ${issue}`)

const parse = (value: string | URL): Either.Either<URL, ConfigError.ConfigError> =>
  Either.match(Url.fromString(String(value)), {
    onLeft: () => Either.left(invalid("this is not a URL")),
    onRight: (url) => {
      if (url.protocol !== "http:" && url.protocol !== "https:") {
        return Either.left(invalid("it must begin with http:// or https://"))
      }
      return isDecodable(url) ? Either.right(url) : Either.left(invalid("its user or password is not percent-encoded"))
    }
  })

const isDecodable = (url: URL): boolean => Option.isSome(Option.liftThrowable(() => basic(url))())

const hasCredentials = (url: URL): boolean => url.username !== "" || url.password !== ""

const basic = (url: URL): string =>
  `Basic ${Encoding.encodeBase64(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)}`

/**
 * The value of the variable with the lower-case name, or else of the upper-case one. Without either, it is an empty
 * string: given `undefined`, undici would read the environment itself.
 */
const readEnv = (
  name: string,
  parse: (value: string) => Either.Either<string, ConfigError.ConfigError>
): Effect.Effect<string, ConfigError.ConfigError> => {
  const read = (name: string) =>
    Config.nested(
      Config.primitive("a value", (value) =>
        value.trim() === "" ? Either.left(ConfigError.MissingData([], "Expected a value, found none")) : parse(value)),
      name
    )
  // An alternative within the `Config` would hide which of the two is invalid.
  return Effect.flatMap(
    Config.option(read(name.toLowerCase())),
    Option.match({ onSome: Effect.succeed, onNone: () => Config.withDefault(read(name), "") })
  )
}

/**
 * For a proxy of the environment, undici takes user and password from its URL, and only if both are there. It rejects a
 * path.
 */
const parseEnv = (value: string): Either.Either<string, ConfigError.ConfigError> =>
  Either.flatMap(parse(value), (url) =>
    (url.username === "") === (url.password === "")
      ? Either.right(new URL("/", url).href)
      : Either.left(invalid("it must have a user and a password, or neither")))

/**
 * undici takes `*` only as the whole value, and mistakes the end of an IPv6 address without brackets for a port.
 */
const parseNoProxy = (value: string): Either.Either<string> => {
  const hosts = value.split(/[,\s]+/)
  return Either.right(
    hosts.includes("*") ? "*" : hosts.map((host) => /^[^[]*:.*:/.test(host) ? `[${host}]` : host).join(",")
  )
}

/**
 * The proxies of the environment, read with `Config`:
 *
 * - `HTTP_PROXY` for `http:` URLs, and for `https:` URLs if `HTTPS_PROXY` is not set;
 * - `HTTPS_PROXY` for `https:` URLs;
 * - `NO_PROXY`: the hosts to connect to directly, separated by commas or spaces: `example.com` (with its subdomains),
 *   `example.com:8080`, `::1`, or `*` for all hosts.
 *
 * A URL has a user and a password, or neither. The lower-case name of a variable takes precedence. A variable with an
 * empty value counts as not set. An invalid value is a `ConfigError` that names its variable. The connections are
 * closed with the layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * import * as Layer from "effect/Layer"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 * import * as NodeProxy from "effect-gptalk/NodeProxy"
 *
 * const Live = GPTalk.layerConfig().pipe(Layer.provide(NodeProxy.layerEnv))
 */
export const layerEnv: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> = fromDispatcher(
  Effect.map(
    Effect.all({
      httpProxy: readEnv("HTTP_PROXY", parseEnv),
      httpsProxy: readEnv("HTTPS_PROXY", parseEnv),
      noProxy: readEnv("NO_PROXY", parseNoProxy)
    }),
    (options) => new Undici.EnvHttpProxyAgent({ ...options, factory: poolOf })
  )
)
