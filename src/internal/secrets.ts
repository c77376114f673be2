/**
 * What must not appear in the text of an error: all secrets that a call has sent so far, not only those of the request
 * that failed, since a service may remember the others.
 */
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Redacted from "effect/Redacted"
import type { Settings } from "./settings.js"

/**
 * The secrets of the running call. A login inherits them from the call that starts it.
 *
 * @internal
 */
export const ofCall: FiberRef.FiberRef<ReadonlyArray<string>> = globalValue(
  "effect-gptalk/secrets/ofCall",
  () => FiberRef.unsafeMake<ReadonlyArray<string>>([])
)

const fingerprints = globalValue(
  "effect-gptalk/secrets/fingerprints",
  () => new WeakMap<Redacted.Redacted<string>, string>()
)

/**
 * Remembers the fingerprint that a session token was issued for, as long as the token is referenced.
 *
 * @internal
 */
export const setFingerprint = (token: Redacted.Redacted<string>, fingerprint: string): void =>
  void fingerprints.set(token, fingerprint)

/**
 * The secrets of a session: its token and its fingerprint.
 *
 * @internal
 */
export const ofSession = (token: Redacted.Redacted<string>): ReadonlyArray<string> => [
  Redacted.value(token),
  fingerprints.get(token) ?? ""
]

/**
 * The headers and the URL parameters, sent with each request, whose names suggest that they give access.
 *
 * @internal
 */
export const ofSettings = ({ headers, url }: Pick<Settings, "headers" | "url">): ReadonlyArray<string> =>
  [...Object.entries(headers), ...url.searchParams].flatMap(([name, value]) =>
    /auth|cookie|cred|key|pass|secret|session|sig|token/i.test(name) ? [value] : []
  )
