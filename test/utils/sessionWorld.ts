/**
 * The real `Auth`, whose every login and every use waits for the test to end it, on a clock that the test sets.
 */
import { Cause, Effect, Exit, Fiber, Layer, Option, Redacted } from "effect"
import * as Auth from "effect-gptalk/Auth"
import { AuthenticationError } from "effect-gptalk/GPTalkError"
import * as MockClient from "./mockClient.js"
import type { Caller as Planned, Outcome } from "./sessionModel.js"
import { makeSetClock } from "./setClock.js"

type Failure = "no" | AuthenticationError

interface Caller {
  state: string
  end: ((outcome: Outcome) => void) | undefined
  interrupt: () => void
}

const refused = new AuthenticationError({ step: "text", status: 401 })

const toEffect = (outcome: Outcome): Effect.Effect<void, Failure> =>
  outcome === "succeed" ? Effect.void : Effect.fail(outcome === "fail" ? "no" : refused)

const stateOf = (exit: Exit.Exit<string, unknown>): string =>
  Exit.match(exit, {
    onSuccess: (session) => `succeeded ${session}`,
    onFailure: (cause) =>
      Cause.isInterruptedOnly(cause)
        ? "interrupted"
        : Option.match(Cause.failureOption(cause), {
          onNone: () => `died: ${Cause.pretty(cause)}`,
          onSome: (error) => `failed: ${error === "no" ? "no" : error === refused ? "refused" : "login"}`
        })
  })

export class SessionWorld {
  readonly callers: Array<Caller> = []
  /** What ends the n-th login; `undefined` once it has ended. */
  readonly logins: Array<((answer: Response) => void) | undefined> = []
  /** By session: who uses it now, how many uses were kept, and whether it was refused. */
  readonly sessions = new Map<string, { using: number; kept: number; isRefused: boolean }>()
  /** Rules that were broken, in words. */
  readonly broken: Array<string> = []

  constructor(readonly limit: number, readonly auth: Auth.Service) {}

  call(plan: Planned["plan"]): Effect.Effect<void> {
    const caller: Caller = { state: "waiting", end: undefined, interrupt: () => {} }
    this.callers.push(caller)
    let uses = 0
    const use = (token: Redacted.Redacted<string>): Effect.Effect<string, Failure> =>
      Effect.suspend(() => {
        const id = Redacted.value(token).replace("session-token-", "")
        const session = this.sessionOf(id)
        session.using++
        if (session.isRefused) this.broken.push(`session ${id} is used though it was refused`)
        if (session.using + session.kept > this.limit) this.broken.push(`session ${id} is used beyond its limit`)
        caller.state = `using ${id}`
        const outcome = plan[uses++]
        if (outcome === undefined) this.broken.push("a third use")
        return (outcome !== "hold" && outcome !== undefined ? toEffect(outcome) : this.hold(caller)).pipe(
          Effect.onExit((exit) => Effect.sync(() => this.release(id, exit))),
          Effect.ensuring(Effect.sync(() => {
            caller.state = "waiting"
            caller.end = undefined
          })),
          Effect.as(id)
        )
      })
    return Effect.map(Effect.forkDaemon(this.auth.withToken(use)), (fiber) => {
      caller.interrupt = () => void Effect.runFork(Fiber.interrupt(fiber))
      fiber.addObserver((exit) => {
        caller.state = stateOf(exit)
      })
    })
  }

  endLogin(id: number, answer: Response): void {
    this.logins[id]?.(answer)
    this.logins[id] = undefined
  }

  private hold(caller: Caller): Effect.Effect<void, Failure> {
    return Effect.async((resume) => {
      caller.end = (outcome) => resume(toEffect(outcome))
    })
  }

  private sessionOf(id: string) {
    const session = this.sessions.get(id) ?? { using: 0, kept: 0, isRefused: false }
    this.sessions.set(id, session)
    return session
  }

  private release(id: string, exit: Exit.Exit<void, Failure>): void {
    const session = this.sessionOf(id)
    session.using--
    if (Exit.isSuccess(exit)) session.kept++
    else if (exit.cause._tag === "Fail" && exit.cause.error !== "no") session.isRefused = true
  }
}

export const run = <A>(
  limit: number,
  now: () => number,
  test: (world: SessionWorld) => Effect.Effect<A>
): Promise<A> => {
  let world: SessionWorld | undefined
  const client = MockClient.make({
    login: (_, index) =>
      Effect.async((resume) => {
        world!.logins[index] = (answer) => resume(Effect.succeed(answer))
      })
  })
  return Effect.gen(function*() {
    world = new SessionWorld(limit, yield* Auth.Auth)
    return yield* test(world)
  }).pipe(
    Effect.provide(Layer.provide(Auth.layer({ usageLimit: limit }), client.layer)),
    Effect.withClock(makeSetClock(now)),
    Effect.runPromise
  )
}

/** Until nothing moves any more without the test. */
export const settle: Effect.Effect<void> = Effect.promise(async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
})
