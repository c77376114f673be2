import { assert, describe, it } from "@effect/vitest"
import { Deferred, FiberId, Redacted } from "effect"
import * as fc from "fast-check"
import { Secrets } from "../../src/internal/secrets.js"
import * as Sessions from "../../src/internal/sessions.js"

const limit = 2

/** Reserves a use at a moment. */
const reserve = (sessions: Sessions.Sessions, now = 0, from = 0) =>
  Sessions.reserve(sessions, {
    now,
    limit,
    from,
    makeLogin: () => ({
      login: Deferred.unsafeMake(FiberId.none),
      secrets: [],
      loginSecrets: new Secrets([])
    })
  })

const issue = (sessions: Sessions.Sessions, id: number, expiresAt = 100) =>
  Sessions.issued(sessions, id, { token: Redacted.make(`token-${id}`), expiresAt })

type Change = (sessions: Sessions.Sessions) => Sessions.Sessions

const after = (...changes: ReadonlyArray<Change>): Sessions.Sessions =>
  changes.reduce((sessions, change) => change(sessions), Sessions.empty)

const reserving = (now = 0, from = 0): Change => (sessions) => reserve(sessions, now, from)[1]
const issuing = (id: number, expiresAt?: number): Change => (sessions) => issue(sessions, id, expiresAt)
const keeping = (id: number): Change => (sessions) => Sessions.keep(sessions, id)
const givingBack = (id: number): Change => (sessions) => Sessions.giveBack(sessions, id)
const refusing = (id: number): Change => (sessions) => Sessions.refuse(sessions, id)

/** A session with this many uses, all of them kept. */
const using = (id: number, count: number, expiresAt?: number): Change => (sessions) =>
  [reserving(), issuing(id, expiresAt), keeping(id), ...Array(count - 1).fill([reserving(), keeping(id)]).flat()]
    .reduce((sessions, change) => change(sessions), sessions)

const ids = (sessions: Sessions.Sessions): ReadonlyArray<number> => sessions.all.map(({ id }) => id)

describe("Sessions", () => {
  describe("reserve", () => {
    it("begins with a login", () => {
      const [{ loginReason, session }] = reserve(Sessions.empty)
      assert.deepInclude(session, { id: 0, used: 1, kept: 0, token: undefined, isRefused: false })
      assert.strictEqual(loginReason, "absent")
    })

    it("gives a use of the oldest session that has one left", () => {
      const sessions = after(reserving(), reserving(), reserving(), issuing(0), issuing(1), givingBack(0))
      const [{ loginReason, session }] = reserve(sessions)
      assert.deepStrictEqual([session.id, session.used, loginReason], [0, 2, undefined])
    })

    it("gives no use of an older session whose login is still under way", () => {
      const sessions = after(reserving(), reserving(), reserving(), issuing(1), givingBack(0))
      const [{ loginReason, session }] = reserve(sessions)
      assert.deepStrictEqual([session.id, session.used, loginReason], [1, 2, undefined])
    })

    it("gives no use of a session from before `from`, and leaves that to others", () => {
      const [{ loginReason, session }, sessions] = reserve(after(reserving(), issuing(0), givingBack(0)), 0, 1)
      assert.deepStrictEqual([session.id, loginReason, ids(sessions)], [1, "refused", [0, 1]])
    })

    it("says that a session was used up", () => {
      assert.strictEqual(reserve(after(using(0, limit)))[0].loginReason, "used_up")
    })

    it("says that a session has expired, once it has", () => {
      const sessions = after(using(0, 1))
      assert.deepStrictEqual([100, 101].map((now) => reserve(sessions, now)[0].loginReason), [undefined, "expired"])
    })

    it("keeps the newest session until another one is issued, though it can serve nobody", () => {
      const usedUp = after(using(0, limit), reserving())
      assert.deepStrictEqual(ids(usedUp), [0, 1])
      assert.strictEqual(Sessions.newest(usedUp)?.id, 0)
      assert.deepStrictEqual(ids(after(using(0, 1), reserving(101))), [0, 1])
    })

    it("forgets an older session whose uses were all kept", () => {
      assert.deepStrictEqual(ids(after(using(0, limit), using(1, 1), reserving())), [1])
    })

    it("forgets an older session that has expired", () => {
      const sessions = after(reserving(), issuing(0, 50), givingBack(0), reserving(0, 1), issuing(1), givingBack(1))
      assert.deepStrictEqual(ids(sessions), [0, 1])
      assert.deepStrictEqual(ids(reserve(sessions, 50)[1]), [0, 1])
      assert.deepStrictEqual(ids(reserve(sessions, 51)[1]), [1])
    })

    it("keeps a session whose uses are reserved: one of them may be given back", () => {
      const sessions = after(reserving(), reserving(), issuing(0), keeping(0), using(1, 1), reserving())
      assert.deepStrictEqual(ids(sessions), [0, 1])
      assert.strictEqual(reserve(Sessions.giveBack(sessions, 0))[0].session.id, 0)
    })

    it("keeps a refused session as long as somebody has a use of it", () => {
      const sessions = after(reserving(), reserving(), issuing(0, 50), refusing(0), reserving(51, 1))
      assert.deepStrictEqual(ids(sessions), [0, 1])
      assert.isTrue(Sessions.isRefused(sessions, 0))
    })
  })

  describe("a refused session", () => {
    it("is forgotten at once where nobody else has a use of it", () => {
      assert.deepStrictEqual(ids(after(reserving(), issuing(0), refusing(0))), [])
      assert.deepStrictEqual(ids(after(using(0, 1), reserving(), refusing(0))), [])
    })

    it.each([["kept", keeping], ["given back", givingBack], ["refused", refusing]] as const)(
      "is forgotten when the last use of it is %s",
      (_, end) => {
        const refused = after(reserving(), reserving(), issuing(0), refusing(0))
        assert.deepStrictEqual([ids(refused), ids(end(0)(refused))], [[0], []])
      }
    )

    it("is not the newest, though it is still there", () => {
      const [first, second] = [using(0, limit), reserving()]
      assert.isUndefined(Sessions.newest(after(reserving(), reserving(), issuing(0), refusing(0))))
      const sessions = after(first, second, reserving(), issuing(1), refusing(1))
      assert.deepStrictEqual([ids(sessions), Sessions.newest(sessions)?.id], [[0, 1], 0])
    })
  })

  it("a session is the newest once it is issued, and not before", () => {
    const sessions = after(using(0, limit), reserving())
    assert.deepStrictEqual([Sessions.newest(sessions)?.id, Sessions.newest(issue(sessions, 1))?.id], [0, 1])
  })

  it("a session whose login failed is forgotten, and the others are not", () => {
    assert.deepStrictEqual(ids(Sessions.drop(after(using(0, limit), reserving()), 1)), [0])
  })

  it("whatever happens, no use is given that must not be, and no session is kept without need", () => {
    const most = 4
    const step = fc.record({
      caller: fc.nat(most - 1),
      end: fc.constantFrom("keep", "give back", "refuse", "fail login"),
      lifetime: fc.constantFrom(-1, 0, 5, 1e9, 1e9),
      pause: fc.constantFrom(0, 0, 0, 1, 10)
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        let sessions = Sessions.empty
        let now = 0
        /** The use that each caller has, and the first session that will do after a refusal of it. */
        const callers: Array<{ readonly id: number; readonly from: number } | undefined> = Array(most).fill(undefined)

        const begin = (caller: number, from = 0) => {
          const [{ session }, next] = reserve(sessions, now, from)
          assert.isFalse(session.isRefused, "a refused session was given")
          assert.isAtLeast(session.expiresAt ?? Infinity, now, "an expired session was given")
          assert.isAtLeast(session.id, from, "a session was given that is older than was asked for")
          sessions = next
          callers[caller] = { id: session.id, from: sessions.nextId }
        }

        for (const { caller, end, lifetime, pause } of steps) {
          now += pause
          const use = callers[caller]
          if (use === undefined) begin(caller)
          else {
            callers[caller] = undefined
            const isUnderWay = sessions.all.find(({ id }) => id === use.id)?.expiresAt === undefined
            if (end === "fail login" && isUnderWay) sessions = Sessions.drop(sessions, use.id)
            else if (isUnderWay) sessions = issue(sessions, use.id, now + lifetime)
            if (end === "keep") sessions = Sessions.keep(sessions, use.id)
            else if (end !== "refuse") sessions = Sessions.giveBack(sessions, use.id)
            else {
              sessions = Sessions.refuse(sessions, use.id)
              begin(caller, use.from)
            }
          }
          for (const session of sessions.all) {
            assert.isAtMost(session.used, limit, "more uses were given than there are")
            assert.isTrue(0 <= session.kept && session.kept <= session.used, "a use was counted twice")
          }
          // One for each caller, one that was refused for each, and the newest.
          assert.isAtMost(sessions.all.length, 2 * most + 1, "sessions are kept without need")
          assert.deepStrictEqual(ids(sessions), [...new Set(ids(sessions))].sort((a, b) => a - b))
        }
      }),
      { numRuns: 300 }
    )
  })
})
