/**
 * `Auth`s of other kinds than the package's.
 */
import type { HttpClient } from "@effect/platform"
import { Context, Effect, Layer, Option } from "effect"
import * as Auth from "effect-gptalk/Auth"

/** An `Auth` of the user's own around the package's. */
export const around = (
  change: <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Layer.Layer<Auth.Auth, never, HttpClient.HttpClient> =>
  Layer.map(Auth.layer(), (context) => {
    const auth = Context.get(context, Auth.Auth)
    return Context.make(Auth.Auth, { ...auth, withToken: (use) => auth.withToken((token) => change(use(token))) })
  })

/** How many uses of its session `Auth` has counted. */
export const used = Effect.flatMap(
  Auth.Auth,
  (auth) => Effect.map(auth.status, (status) => Option.getOrUndefined(status)?.used)
)
