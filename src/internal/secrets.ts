/**
 * What must not appear in the text of an error: all secrets that a call has sent so far, not only those of the failed
 * request, since a service may remember the others; and the secrets of other calls' logins.
 *
 * A call includes the secrets of all logins of its `Auth`. A login includes those too, and what the calls that wait for
 * it have sent.
 */
import * as FiberRef from "effect/FiberRef"
import type { LazyArg } from "effect/Function"
import { globalValue } from "effect/GlobalValue"
import type { Settings } from "./settings.js"

/**
 * The secrets of a call or a login, and those of related ones.
 *
 * @internal
 */
export class Secrets {
  readonly own: Array<string>
  readonly #others = new Set<LazyArg<ReadonlyArray<string>>>()

  constructor(own: ReadonlyArray<string>) {
    this.own = [...own]
  }

  add(secret: string): void {
    this.own.push(secret)
  }

  /** Adds secrets of others, which are read each time `all` is. */
  include(others: LazyArg<ReadonlyArray<string>>): void {
    this.#others.add(others)
  }

  get all(): ReadonlyArray<string> {
    return [...new Set([...this.own, ...[...this.#others].flatMap((others) => others())])]
  }
}

/**
 * The secrets of the running call.
 *
 * @internal
 */
export const ofCall: FiberRef.FiberRef<Secrets | undefined> = globalValue(
  "effect-gptalk/secrets/ofCall",
  () => FiberRef.unsafeMake<Secrets | undefined>(undefined)
)

/**
 * The values of headers and URL parameters, sent with each request, whose names suggest credentials.
 *
 * @internal
 */
export const ofSettings = ({ headers, url }: Pick<Settings, "headers" | "url">): ReadonlyArray<string> =>
  [...Object.entries(headers), ...url.searchParams].flatMap(([name, value]) =>
    /auth|cookie|cred|key|pass|secret|session|sig|token/i.test(name) ? [value] : []
  )
