/**
 * Sessions: when to log in, and which calls may use which session.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import { AuthenticationError, type GPTalkError, TimeoutError } from "./GPTalkError.js"
import { randomHex } from "./internal/random.js"
import { isMarked } from "./internal/refusal.js"
import * as Secrets from "./internal/secrets.js"
import * as Sessions from "./internal/sessions.js"
import * as Settings from "./internal/settings.js"
import * as Span from "./internal/span.js"
import * as Telemetry from "./internal/telemetry.js"
import * as Transport from "./internal/transport.js"

/**
 * Logs in, and shares each session among calls until its uses are spent. `GPTalk.layer` has an `Auth` of its own; with
 * `GPTalk.layerWithoutAuth` several layers share one.
 *
 * @since 0.1.0
 * @category tags
 */
export class Auth extends Context.Tag("effect-gptalk/Auth")<Auth, Service>() {}

/**
 * Lends the token of a session to a call, and reports the state of the session. The session itself is not exposed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Runs `use` with the token of a session that has a use left. If there is no such session, it logs in first.
   *
   * The use is reserved before `use` runs, kept when it succeeds, and given back when it fails or is interrupted. When
   * `use` fails because the service refused the session (see `isRefusal`), the session is dropped for all callers, and
   * `use` runs once more, with a session whose login began later.
   *
   * Fails as `use` does, or with the error of a login, which `Auth` does not retry. A failed login fails all callers
   * that wait for it; the next caller logs in anew.
   */
  readonly withToken: <A, E, R>(
    use: (token: Redacted.Redacted<string>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | GPTalkError, R>

  /**
   * The newest session: when it expires, and how many of its uses are reserved or kept. `None` before the first login,
   * and when the service has refused the only session.
   */
  readonly status: Effect.Effect<Option.Option<Status>>
}

/**
 * The state of a session. `used` counts its uses, reserved and kept. The token is not included.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly expiresAt: DateTime.Utc
  readonly used: number
}

/**
 * The options of logins. All are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The http(s) URL of the service, without credentials. Its path and query are part of each request. Default
   * `https://gptalk.net`, now offline.
   */
  readonly url?: string | URL | undefined
  /** Headers of each request, merged over `Protocol.defaultHeaders`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How many uses one login allows; a reply takes one. Default 5. */
  readonly usageLimit?: number | undefined
  /** How long to wait for the service. */
  readonly timeouts?: {
    /** From the request to the whole JSON response. Default 30 seconds. */
    readonly response?: Duration.DurationInput | undefined
  } | undefined
  /** The largest JSON response, in bytes. Default 1 MiB. */
  readonly maxBodySize?: number | undefined
  /** Whether to send trace headers to the service. Default `false`. */
  readonly propagateTrace?: boolean | undefined
}

/**
 * The source of fingerprints: 32 lower-case hex digits for each login. The default is cryptographically random. For
 * deterministic logins, as in tests, provide another one to the layer, which reads it when it is built.
 *
 * @since 0.1.0
 * @category references
 * @example
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Auth from "effect-gptalk/Auth"
 * import * as GPTalk from "effect-gptalk/GPTalk"
 *
 * const FingerprintLive = Layer.succeed(Auth.Fingerprint, Effect.succeed("0123456789abcdef0123456789abcdef"))
 *
 * // Still needs an HttpClient.
 * const GPTalkLive = GPTalk.layer().pipe(Layer.provide(FingerprintLive))
 */
export class Fingerprint extends Context.Reference<Fingerprint>()("effect-gptalk/Auth/Fingerprint", {
  defaultValue: (): Effect.Effect<string> => Effect.sync(() => randomHex(16))
}) {}

/**
 * Whether an error says that the service refused the session: an `AuthenticationError`, or another error of `text` that
 * this package has marked as a refusal, since a service may also answer a spent session with a 2xx response without
 * `data`. For an `Auth` of your own.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRefusal = (error: unknown): boolean => isMarked(error) || error instanceof AuthenticationError

/**
 * Makes the service. Its logins run in the scope of this effect, not in a call's: once that is closed, a call that
 * needs a login is interrupted. An invalid option fails each call with `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, HttpClient.HttpClient | Scope.Scope> =>
  Either.match(Settings.make(options), {
    onLeft: (error) =>
      Effect.succeed(Auth.of({ withToken: () => Effect.fail(error), status: Effect.succeed(Option.none()) })),
    onRight: makeWith
  })

/**
 * A service may send any number; a date has bounds.
 */
const toMillis = (seconds: number): number => Math.max(-8.64e15, Math.min(8.64e15, seconds * 1000))

const makeWith = Effect.fnUntraced(function*(
  settings: Settings.Settings
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Scope.Scope> {
  const transport = Transport.make(yield* HttpClient.HttpClient, settings)
  const makeFingerprint = yield* Fingerprint
  const scope = yield* Effect.scope
  const ref = yield* Ref.make(Sessions.empty)
  const modify = (f: (sessions: Sessions.Sessions) => Sessions.Sessions) => Ref.update(ref, f)

  const ownSecrets = Secrets.ofSettings(settings)
  const sessionSecrets = () => Sessions.secrets(Effect.runSync(Ref.get(ref)))

  const makeLogin = (): Sessions.Login => {
    const loginSecrets = new Secrets.Secrets(ownSecrets)
    loginSecrets.include(sessionSecrets)
    return { login: Deferred.unsafeMake(FiberId.none), secrets: [], loginSecrets }
  }

  const login = Effect.fnUntraced(function*({ loginSecrets, secrets }: Sessions.Session) {
    const fingerprint = yield* makeFingerprint
    secrets.push(fingerprint)
    const requestScope = yield* Scope.make()
    const answer = yield* transport.login(fingerprint, { scope: requestScope, secrets: loginSecrets! }).pipe(
      // A client that cannot be interrupted is not waited for. The fiber of `disconnect` must not fail, which would be
      // logged; `timeoutFail` forks another, whose failure only Effect 3.22.0 logs.
      Effect.exit,
      Effect.disconnect,
      Effect.timeoutFail({
        duration: settings.timeouts.response,
        onTimeout: () => new TimeoutError({ step: "login", phase: "response", after: settings.timeouts.response })
      }),
      Effect.flatten,
      Effect.onError((cause) => Scope.close(requestScope, Exit.failCause(cause)))
    )
    secrets.push(answer.token)
    // The span records this result, so the token must be redacted by then.
    return { token: Redacted.make(answer.token), expiresAt: toMillis(answer.expires_at) }
  }, Effect.withSpan("GPTalk.login", Span.options))

  // A waiting fiber may be interrupted without harm to others that wait for the same login, since the login runs in the
  // layer's scope. The forked effect never fails: a forked fiber that does logs its cause.
  const startLogin = (session: Sessions.Session): Effect.Effect<void> =>
    Effect.exit(Effect.interruptible(login(session))).pipe(
      Effect.tap((exit) =>
        modify((_) => Exit.isSuccess(exit) ? Sessions.issued(_, session.id, exit.value) : Sessions.drop(_, session.id))
      ),
      Effect.flatMap((exit) => Deferred.done(session.login, Exit.map(exit, ({ token }) => token))),
      Effect.forkIn(scope)
    )

  const reserve = (from: number): Effect.Effect<Sessions.Session> =>
    Effect.withFiberRuntime((fiber) => {
      const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
      const callSecrets = fiber.getFiberRef(Secrets.ofCall)
      return Effect.flatMap(
        Ref.modify(ref, (sessions) => Sessions.reserve(sessions, { now, limit: settings.usageLimit, from, makeLogin })),
        ({ loginReason, session }) => {
          if (callSecrets !== undefined) {
            callSecrets.include(sessionSecrets)
            session.loginSecrets?.include(() => callSecrets.own)
          }
          return loginReason === undefined
            ? Effect.succeed(session)
            : Effect.as(Effect.zipRight(Telemetry.countLogin(loginReason), startLogin(session)), session)
        }
      )
    })

  /**
   * Runs `use` with a session whose id is `from` or higher. If the service refuses that session, `use` runs once more,
   * with a session whose login begins after the refused run began.
   */
  const lend = <A, E, R>(
    use: (token: Redacted.Redacted<string>) => Effect.Effect<A, E, R>,
    from = 0,
    isLast = false
  ): Effect.Effect<A, E | GPTalkError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(reserve(from), ({ id, login, token }) => {
        const giveBack = modify((sessions) => Sessions.giveBack(sessions, id))
        // Awaiting a completed `Deferred` would cost as much as the rest of this.
        const issued = token === undefined
          ? Effect.tapErrorCause(restore(Deferred.await(login)), () => giveBack)
          : Effect.succeed(token)
        return Effect.flatMap(issued, (token) =>
          Effect.flatMap(Ref.get(ref), (sessions) => {
            // Another call that waited for this login may already have found its session refused.
            if (Sessions.isRefused(sessions, id)) {
              return Effect.zipRight(giveBack, restore(lend(use, id + 1, isLast)))
            }
            return Effect.matchCauseEffect(restore(Effect.suspend(() => use(token))), {
              onFailure: (cause) => {
                const isRefused = Option.exists(Cause.failureOption(cause), isRefusal)
                return Effect.zipRight(
                  isRefused ? modify((_) => Sessions.refuse(_, id)) : giveBack,
                  isRefused && !isLast ? restore(lend(use, sessions.nextId, true)) : Effect.failCause(cause)
                )
              },
              onSuccess: (value) =>
                Effect.as(Effect.zipRight(modify((_) => Sessions.keep(_, id)), Telemetry.countSessionUse), value)
            })
          }))
      })
    )

  return Auth.of({
    withToken: (use) => lend(use),
    status: Effect.map(Ref.get(ref), (sessions) => {
      const session = Sessions.newest(sessions)
      return session?.expiresAt === undefined
        ? Option.none()
        : Option.some({ expiresAt: DateTime.unsafeMake(session.expiresAt), used: session.used })
    })
  })
})

/**
 * `Auth` as a layer. Logins run in the scope of the layer: interrupting the calls that wait for one does not interrupt
 * it, and a later call uses its session. An invalid option fails each call with `InvalidRequestError`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Auth, never, HttpClient.HttpClient> =>
  Layer.scoped(Auth, make(options))
