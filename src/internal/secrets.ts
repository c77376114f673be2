/**
 * What must not appear in the text of an error: all secrets that a call has sent so far, not only those of the request
 * that failed, since a service may remember the others; and those of the logins of other calls.
 */
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type { Settings } from "./settings.js"

/** @internal */
export class Secrets {
  readonly #own: Array<string>
  readonly #most: number
  readonly #others: Array<Secrets> = []

  /** Beyond `most`, the oldest are forgotten. */
  constructor(own: ReadonlyArray<string>, most = Infinity) {
    this.#own = [...own]
    this.#most = most
  }

  add(secret: string): void {
    if (this.#own.push(secret) > this.#most) this.#own.shift()
  }

  /** What the others have now, and what they get later. */
  include(others: Secrets): void {
    this.#others.push(others)
  }

  get all(): ReadonlyArray<string> {
    return [...this.#own, ...this.#others.flatMap(({ all }) => all)]
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
 * The headers and the URL parameters, sent with each request, whose names suggest that they give access.
 *
 * @internal
 */
export const ofSettings = ({ headers, url }: Pick<Settings, "headers" | "url">): ReadonlyArray<string> =>
  [...Object.entries(headers), ...url.searchParams].flatMap(([name, value]) =>
    /auth|cookie|cred|key|pass|secret|session|sig|token/i.test(name) ? [value] : []
  )
