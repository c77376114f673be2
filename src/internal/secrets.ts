/**
 * What must not appear in the text of an error: all secrets that a call has sent so far, not only those of the request
 * that failed, since a service may remember the others; and those of the logins of other calls.
 */
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type { Settings } from "./settings.js"

interface Options {
  /** Of more others than this that are included, the first are forgotten. */
  readonly mostOthers?: number
  /** More others, as they are when they are asked for. */
  readonly more?: () => ReadonlyArray<Secrets>
}

/**
 * The secrets of one party, such as a call or a login, and those of others that it has to do with.
 *
 * @internal
 */
export class Secrets {
  readonly #own: Array<string>
  readonly #others = new Set<Secrets>()
  readonly #options: Options

  constructor(own: ReadonlyArray<string> = [], options: Options = {}) {
    this.#own = [...own]
    this.#options = options
  }

  add(secret: string): void {
    this.#own.push(secret)
  }

  /** What the others have now, and what they get later. They may include these in turn. */
  include(others: Secrets): void {
    this.#others.add(others)
    const { mostOthers = Infinity } = this.#options
    const [first] = this.#others
    if (first !== undefined && this.#others.size > mostOthers) this.#others.delete(first)
  }

  get all(): ReadonlyArray<string> {
    const parties = new Set<Secrets>([this])
    // This goes through those too that are added on the way.
    for (const party of parties) {
      for (const other of [...party.#others, ...party.#options.more?.() ?? []]) parties.add(other)
    }
    return [...parties].flatMap((party) => party.#own)
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
