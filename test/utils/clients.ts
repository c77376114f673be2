import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** The clients of the platform that a program on Node may choose from. */
export const clients = {
  undici: NodeHttpClient.layerUndici,
  node: NodeHttpClient.layer,
  fetch: FetchHttpClient.layer
}

/** A client as its user has changed it. */
export const changed = <R>(
  layer: Layer.Layer<HttpClient.HttpClient | R>,
  change: (client: HttpClient.HttpClient) => HttpClient.HttpClient
): Layer.Layer<HttpClient.HttpClient | R> =>
  Layer.map(
    layer,
    (context) => Context.add(context, HttpClient.HttpClient, change(Context.get(context, HttpClient.HttpClient)))
  )
