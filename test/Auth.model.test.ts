import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import * as MockClient from "./utils/mockClient.js"
import { type Caller, type Outcome, SessionModel } from "./utils/sessionModel.js"
import { run, type SessionWorld, settle } from "./utils/sessionWorld.js"

/** Indices are taken modulo what there is to choose from; where there is nothing, nothing happens. */
type Command =
  | { readonly _tag: "Call"; readonly count: number; readonly plan: Caller["plan"] }
  | { readonly _tag: "Issue"; readonly index: number; readonly lifetime: number }
  | { readonly _tag: "FailLogin"; readonly index: number; readonly status: number }
  | { readonly _tag: "End"; readonly index: number; readonly outcome: Outcome }
  | { readonly _tag: "Interrupt"; readonly index: number }
  | { readonly _tag: "Wait"; readonly seconds: number }

const index = fc.nat(20)
const outcome: fc.Arbitrary<Outcome> = fc.constantFrom("succeed", "fail", "refuse")
const planned = fc.oneof({ weight: 3, arbitrary: fc.constant("hold" as const) }, { weight: 1, arbitrary: outcome })

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Call" as const),
      count: fc.integer({ min: 1, max: 4 }),
      plan: fc.tuple(planned, planned)
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Issue" as const),
      index,
      lifetime: fc.constantFrom(-1, 0, 2, 3600)
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("FailLogin" as const), index, status: fc.constantFrom(401, 500) })
  },
  { weight: 5, arbitrary: fc.record({ _tag: fc.constant("End" as const), index, outcome }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Interrupt" as const), index }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Wait" as const), seconds: fc.constantFrom(1, 3) }) }
)

const limit = fc.integer({ min: 1, max: 3 })
const commands = fc.array(command, { maxLength: 40 })

const choose = <A>(from: ReadonlyArray<A>, index: number): A | undefined => from[index % from.length]

const states = (callers: ReadonlyArray<{ readonly state: string }>) => callers.map(({ state }) => state)

const isUnderWay = ({ state }: { readonly state: string }) => /^(waiting|using)/.test(state)

/** Does it to the real thing, and to the model where there is one, which then says what can be done. */
const apply = (command: Command, world: SessionWorld, time: { now: number }, model?: SessionModel) =>
  Effect.gen(function*() {
    const pending = world.logins.flatMap((end, id) => end === undefined ? [] : [id])
    const callers = world.callers.map((_, id) => id)
    switch (command._tag) {
      case "Call":
        for (let count = 0; count < command.count; count++) {
          yield* world.call(command.plan)
          model?.call(command.plan)
        }
        return
      case "Issue": {
        const id = choose(pending, command.index)
        if (id === undefined) return
        const expiresAt = time.now / 1000 + command.lifetime
        world.endLogin(id, MockClient.json({ data: { token: `session-token-${id}`, expires_at: expiresAt } }))
        model?.issue(id, expiresAt * 1000)
        return
      }
      case "FailLogin": {
        const id = choose(pending, command.index)
        if (id === undefined) return
        world.endLogin(id, new Response(null, { status: command.status }))
        model?.failLogin(id)
        return
      }
      case "End": {
        const id = choose(callers.filter((id) => world.callers[id]!.end !== undefined), command.index)
        if (id === undefined) return
        world.callers[id]!.end?.(command.outcome)
        model?.end(model.callers[id]!, command.outcome)
        return
      }
      case "Interrupt": {
        const id = choose(callers.filter((id) => isUnderWay(world.callers[id]!)), command.index)
        if (id === undefined) return
        world.callers[id]!.interrupt()
        model?.interrupt(model.callers[id]!)
        return
      }
      case "Wait":
        time.now += command.seconds * 1000
        if (model !== undefined) model.now = time.now
    }
  })

/** All logins come, all uses end well, again and again: then all callers must have ended. */
const finish = (world: SessionWorld, time: { now: number }, model?: SessionModel) =>
  Effect.gen(function*() {
    for (let round = 0; round < 1000 && world.callers.some(isUnderWay); round++) {
      yield* apply({ _tag: "Issue", index: 0, lifetime: 3600 }, world, time, model)
      yield* settle
      yield* apply({ _tag: "End", index: 0, outcome: "succeed" }, world, time, model)
      yield* settle
    }
    assert.deepStrictEqual(states(world.callers.filter(isUnderWay)), [])
  })

/** Found once: who still waited for such a session was to use it. */
const refusedOnArrival: Array<Command> = [
  { _tag: "Call", count: 2, plan: ["refuse", "succeed"] },
  { _tag: "Wait", seconds: 1 },
  { _tag: "Issue", index: 0, lifetime: -1 }
]

describe("Auth, whatever happens in whatever order", () => {
  it(
    "does as its model: who waits, who uses which session, who has failed, and how many logins there were",
    () =>
      fc.assert(
        fc.asyncProperty(limit, commands, async (limit, commands) => {
          const time = { now: 0 }
          const model = new SessionModel(limit)
          await run(limit, () => time.now, (world) =>
            Effect.gen(function*() {
              const check = () => {
                assert.deepStrictEqual(states(world.callers), states(model.callers))
                assert.strictEqual(world.logins.length, model.sessions.length)
                assert.deepStrictEqual(world.broken, [])
              }
              for (const command of commands) {
                yield* apply(command, world, time, model)
                yield* settle
                check()
              }
              yield* finish(world, time, model)
              check()
            }))
        }),
        { numRuns: 250, examples: [[2, refusedOnArrival]] }
      ),
    60_000
  )

  it(
    "breaks no limit, uses nothing refused, loses no use and lets nobody wait, even when all happens at once",
    () =>
      fc.assert(
        fc.asyncProperty(
          limit,
          fc.array(fc.tuple(command, fc.boolean()), { maxLength: 60 }),
          async (limit, commands) => {
            const time = { now: 0 }
            await run(limit, () => time.now, (world) =>
              Effect.gen(function*() {
                for (const [command, isSettled] of commands) {
                  yield* apply(command, world, time)
                  yield* isSettled ? settle : Effect.yieldNow()
                }
                yield* settle
                yield* finish(world, time)
                // Logins whose callers have all gone meanwhile come too.
                for (let id = 0; id < world.logins.length; id++) {
                  yield* apply({ _tag: "Issue", index: 0, lifetime: 3600 }, world, time)
                }
                yield* settle
                assert.deepStrictEqual(world.broken, [])

                // What is not kept by now can be used again, before there is another login.
                const before = world.logins.length
                const status = Option.getOrUndefined(yield* world.auth.status)
                const free = status === undefined || status.expiresAt.epochMillis < time.now ? 0 : limit - status.used
                const kept = [...world.sessions.values()].map((session) => session.kept)
                if (status !== undefined) assert.include([0, ...kept], status.used)
                for (let count = 0; count < free; count++) yield* world.call(["succeed", "succeed"])
                yield* settle
                assert.strictEqual(world.logins.length, before)
                assert.deepStrictEqual(states(world.callers).filter((state) => state === "waiting"), [])
              }))
          }
        ),
        { numRuns: 250 }
      ),
    60_000
  )
})
