/**
 * What must not be found again in the words of others: all that a call has sent so far, and not just with the request
 * that failed, since a service remembers.
 */
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Redacted from "effect/Redacted"

/**
 * The secrets of the running call. A login inherits them from the call that begins it.
 *
 * @internal
 */
export const ofCall: FiberRef.FiberRef<ReadonlyArray<string>> = globalValue(
  Symbol.for("effect-gptalk/secrets/ofCall"),
  () => FiberRef.unsafeMake<ReadonlyArray<string>>([])
)

const fingerprints = globalValue(
  Symbol.for("effect-gptalk/secrets/fingerprints"),
  () => new WeakMap<Redacted.Redacted<string>, string>()
)

/**
 * Remembers the fingerprint that a session token was got with, for as long as the token is held.
 *
 * @internal
 */
export const setFingerprint = (token: Redacted.Redacted<string>, fingerprint: string): void =>
  void fingerprints.set(token, fingerprint)

/**
 * What a session is made of.
 *
 * @internal
 */
export const ofSession = (token: Redacted.Redacted<string>): ReadonlyArray<string> => [
  Redacted.value(token),
  fingerprints.get(token) ?? ""
]

/**
 * The headers that may hold what lets somebody in.
 *
 * @internal
 */
export const ofHeaders = (headers: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(headers).flatMap(([name, value]) => /auth|cookie|key|secret|token/i.test(name) ? [value] : [])
