/**
 * What must not be found again in the words of others: all that a call has sent so far, and not just with the request
 * that failed, since a service remembers.
 */
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Redacted from "effect/Redacted"
import type { Settings } from "./settings.js"

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
 * What may let somebody in of the headers and the parameters that go with each request.
 *
 * @internal
 */
export const ofSettings = ({ headers, url }: Pick<Settings, "headers" | "url">): ReadonlyArray<string> =>
  [...Object.entries(headers), ...url.searchParams].flatMap(([name, value]) =>
    /auth|cookie|key|secret|token/i.test(name) ? [value] : []
  )
