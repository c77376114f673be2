/**
 * The sessions of one `Auth`, as a value: which call may use which session, and when a login is due. Pure functions, so
 * that the rules can be read and tested without effects.
 */
import type * as Deferred from "effect/Deferred"
import type { LazyArg } from "effect/Function"
import type * as Redacted from "effect/Redacted"
import type { GPTalkError } from "../GPTalkError.js"
import type { Secrets } from "./secrets.js"

/**
 * A login under way.
 *
 * @internal
 */
export interface Login {
  readonly login: Deferred.Deferred<Redacted.Redacted<string>, GPTalkError>
  /** Its fingerprint, and then also the token that it returns, which is pushed when it arrives. */
  readonly secrets: Array<string>
  /** What its errors must not contain, including what the waiting calls have sent. */
  readonly loginSecrets: Secrets
}

/** @internal */
export interface Session extends Omit<Login, "loginSecrets"> {
  /** The order in which the logins began. */
  readonly id: number
  /** `undefined` once the login has ended: a session must not keep the prompts of its first calls. */
  readonly loginSecrets: Secrets | undefined
  /** The token from the login; `undefined` while that is under way. */
  readonly token: Redacted.Redacted<string> | undefined
  /** Unix milliseconds; `undefined` while the login is under way. */
  readonly expiresAt: number | undefined
  /** How many uses are reserved or kept. */
  readonly used: number
  /** How many uses are kept, since their calls have succeeded. */
  readonly kept: number
  /** Whether the service refused it. It is then kept only until all calls that have reserved a use have ended. */
  readonly isRefused: boolean
}

/** @internal */
export interface Sessions {
  readonly nextId: number
  /** In the order of their ids. */
  readonly all: ReadonlyArray<Session>
  /** The secrets of the latest 100 logins. */
  readonly latestSecrets: ReadonlyArray<ReadonlyArray<string>>
}

/** @internal */
export const empty: Sessions = { nextId: 0, all: [], latestSecrets: [] }

/**
 * The secrets of all sessions and of the latest logins: a service may quote them to calls with another session.
 *
 * @internal
 */
export const secrets = ({ all, latestSecrets }: Sessions): ReadonlyArray<string> =>
  [...latestSecrets, ...all.map(({ secrets }) => secrets)].flat()

/** @internal */
export interface Reservation {
  readonly session: Session
  /** Why the caller must now start the login of the session; `undefined` if there is nothing to start. */
  readonly loginReason: "absent" | "expired" | "used_up" | "refused" | undefined
}

const isExpired = (session: Session, now: number): boolean => session.expiresAt !== undefined && session.expiresAt < now

/** @internal */
export const newest = (sessions: Sessions): Session | undefined =>
  sessions.all.findLast((session) => session.expiresAt !== undefined && !session.isRefused)

/**
 * Reserves one use: of the oldest session that has one left, or of a new session. A session whose login is under way
 * comes after those that need no waiting. Sessions with an id below `from` are not used.
 *
 * Sessions that can serve no call any more are forgotten here, except the newest, which `status` reports. A session
 * whose uses are all reserved stays, since one of them may be given back. So does a refused session: see `isRefused`.
 *
 * @internal
 */
export const reserve = (
  sessions: Sessions,
  options: { readonly now: number; readonly limit: number; readonly from: number; readonly makeLogin: LazyArg<Login> }
): readonly [Reservation, Sessions] => {
  const last = newest(sessions)
  const live = sessions.all.filter((session) =>
    session === last || session.isRefused || (session.kept < options.limit && !isExpired(session, options.now))
  )
  const usable = live.filter((session) =>
    session.id >= options.from && !session.isRefused && session.used < options.limit && !isExpired(session, options.now)
  )
  const free = usable.find(({ token }) => token !== undefined) ?? usable[0]
  const session = free ??
    {
      ...options.makeLogin(),
      id: sessions.nextId,
      token: undefined,
      expiresAt: undefined,
      used: 0,
      kept: 0,
      isRefused: false
    }
  const loginReason = free !== undefined
    ? undefined
    : options.from > 0
    ? "refused"
    : last === undefined
    ? "absent"
    : isExpired(last, options.now)
    ? "expired"
    : "used_up"
  const reserved = { ...session, used: session.used + 1 }
  return [
    { session: reserved, loginReason },
    free === undefined
      ? {
        nextId: sessions.nextId + 1,
        all: [...live, reserved],
        latestSecrets: [...sessions.latestSecrets.slice(-99), session.secrets]
      }
      : { ...sessions, all: live.map((other) => other === free ? reserved : other) }
  ]
}

/** Changes one session. Forgets refused sessions without reserved uses; kept uses do not count. */
const update = (sessions: Sessions, id: number, f: (session: Session) => Session): Sessions => ({
  ...sessions,
  all: sessions.all
    .map((session) => session.id === id ? f(session) : session)
    .filter((session) => !session.isRefused || session.used > session.kept)
})

/** @internal */
export const issued = (sessions: Sessions, id: number, answer: Pick<Session, "token" | "expiresAt">): Sessions =>
  update(sessions, id, (session) => ({ ...session, ...answer, loginSecrets: undefined }))

/** @internal */
export const keep = (sessions: Sessions, id: number): Sessions =>
  update(sessions, id, (session) => ({ ...session, kept: session.kept + 1 }))

/** @internal */
export const giveBack = (sessions: Sessions, id: number): Sessions =>
  update(sessions, id, (session) => ({ ...session, used: session.used - 1 }))

/**
 * Gives the use back, and marks the session as refused for all calls.
 *
 * @internal
 */
export const refuse = (sessions: Sessions, id: number): Sessions =>
  update(sessions, id, (session) => ({ ...session, used: session.used - 1, isRefused: true }))

/** @internal */
export const isRefused = (sessions: Sessions, id: number): boolean =>
  sessions.all.some((session) => session.id === id && session.isRefused)

/**
 * Forgets a session whose login failed.
 *
 * @internal
 */
export const drop = (sessions: Sessions, id: number): Sessions => ({
  ...sessions,
  all: sessions.all.filter((session) => session.id !== id)
})
