/**
 * The memory of the server: sessions and stream tokens, both limited in number and in lifetime.
 */
import * as Duration from "effect/Duration"
import type * as Responder from "../Responder.js"
import { randomHex } from "./random.js"

/** @internal */
export interface Options {
  readonly usageLimit: number
  readonly sessionLifetime: Duration.Duration
  readonly streamTokenLifetime: Duration.Duration
  readonly maxSessions: number
  readonly maxStreamTokens: number
}

interface Session {
  readonly expiresAt: number
  uses: number
}

interface StreamToken {
  readonly expiresAt: number
  readonly request: Responder.Request
}

const tokenBytes = 32

/** How many characters all requests together may have, waiting or being answered: at two bytes a character, 64 MiB. */
const maxCharacters = 32 * 1024 * 1024

const charactersOf = ({ model, prompt, systemPrompt }: Responder.Request): number =>
  prompt.length + systemPrompt.length + model.length

/** Removes the oldest one that matches. */
const removeFirst = <A>(map: Map<string, A>, matches: (value: A) => boolean): boolean => {
  for (const [token, value] of map) if (matches(value)) return map.delete(token)
  return false
}

/** @internal */
export class SessionStore {
  readonly #sessions = new Map<string, Session>()
  readonly #streamTokens = new Map<string, StreamToken>()
  #characters = 0
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  /** A new session, if need be replacing one that is spent or was never used; `undefined` if there is no room. */
  login(now: number): { readonly token: string; readonly expiresAt: number } | undefined {
    if (!this.#makeRoom(now)) return undefined
    const token = randomHex(tokenBytes)
    const expiresAt = now + Duration.toMillis(this.#options.sessionLifetime)
    this.#sessions.set(token, { expiresAt, uses: 0 })
    return { token, expiresAt }
  }

  #makeRoom(now: number): boolean {
    const { maxSessions, usageLimit } = this.#options
    const hasRoom = () => this.#sessions.size < maxSessions
    if (!hasRoom()) {
      for (const [token, { expiresAt }] of this.#sessions) if (expiresAt < now) this.#sessions.delete(token)
    }
    return hasRoom() ||
      removeFirst(this.#sessions, ({ uses }) => uses >= usageLimit) ||
      removeFirst(this.#sessions, ({ uses }) => uses === 0)
  }

  /** The state of a session: good for another use, spent, or unknown, which includes expired. */
  statusOf(token: string, now: number): "good" | "spent" | "unknown" {
    const session = this.#sessions.get(token)
    if (session === undefined || session.expiresAt < now) return "unknown"
    return session.uses < this.#options.usageLimit ? "good" : "spent"
  }

  /** Counts a use of a session and keeps the request for one GET. Returns a stream token, or `undefined` if full. */
  accept(token: string, request: Responder.Request, now: number): string | undefined {
    if (!this.#makeRoomFor(request, now)) return undefined
    this.#characters += charactersOf(request)
    const session = this.#sessions.get(token)
    if (session !== undefined) session.uses++
    const streamToken = randomHex(tokenBytes)
    this.#streamTokens.set(streamToken, {
      expiresAt: now + Duration.toMillis(this.#options.streamTokenLifetime),
      request
    })
    return streamToken
  }

  /** Redeems expired stream tokens, which removes them: each holds a prompt. */
  #makeRoomFor(request: Responder.Request, now: number): boolean {
    for (const [token, { expiresAt }] of this.#streamTokens) if (expiresAt < now) this.redeem(token, now)
    return this.#streamTokens.size < this.#options.maxStreamTokens &&
      this.#characters + charactersOf(request) <= maxCharacters
  }

  /** The request behind a stream token, which can be redeemed once. Its size counts until `release`. */
  redeem(token: string, now: number): Responder.Request | undefined {
    const found = this.#streamTokens.get(token)
    if (found === undefined) return undefined
    this.#streamTokens.delete(token)
    if (found.expiresAt >= now) return found.request
    this.release(found.request)
    return undefined
  }

  /** Gives the room of a request back, once it is answered. */
  release(request: Responder.Request): void {
    this.#characters -= charactersOf(request)
  }
}
