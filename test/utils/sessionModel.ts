/**
 * What `Auth` promises, written down a second time and as plainly as it goes: nothing is ever forgotten, and every
 * login, waiter and use is a step of its own. The n-th session is that of the n-th login.
 */
export type Outcome = "succeed" | "fail" | "refuse"

export interface Caller {
  /** What its first and its second use come to, at once; `hold` waits to be told. */
  readonly plan: readonly [Outcome | "hold", Outcome | "hold"]
  /** `waiting`, `using 3`, `succeeded 3`, `interrupted`, or `failed: ` with a reason. */
  state: string
  session: Session | undefined
  uses: number
  /** How many logins had begun when the use did. */
  began: number
}

interface Session {
  readonly id: number
  expiresAt: number | undefined
  reserved: number
  kept: number
  isOver: boolean
  waiters: Array<Caller>
}

export class SessionModel {
  now = 0
  readonly sessions: Array<Session> = []
  readonly callers: Array<Caller> = []

  constructor(private readonly limit: number) {}

  call(plan: Caller["plan"]): void {
    const caller: Caller = { plan, state: "", session: undefined, uses: 0, began: 0 }
    this.callers.push(caller)
    this.reserve(caller, 0)
  }

  issue(id: number, expiresAt: number): void {
    const session = this.sessions[id]!
    session.expiresAt = expiresAt
    for (const caller of session.waiters.splice(0)) this.begin(caller, session)
  }

  failLogin(id: number): void {
    const session = this.sessions[id]!
    session.isOver = true
    for (const caller of session.waiters.splice(0)) caller.state = "failed: login"
  }

  end(caller: Caller, outcome: Outcome): void {
    const session = caller.session!
    session.reserved--
    if (outcome === "succeed") {
      session.kept++
      caller.state = `succeeded ${session.id}`
    } else if (outcome === "fail") {
      caller.state = "failed: no"
    } else {
      session.isOver = true
      if (caller.uses === 1) this.reserve(caller, caller.began)
      else caller.state = "failed: refused"
    }
  }

  interrupt(caller: Caller): void {
    const session = caller.session!
    session.reserved--
    session.waiters = session.waiters.filter((waiter) => waiter !== caller)
    caller.state = "interrupted"
  }

  private reserve(caller: Caller, from: number): void {
    const isGood = ({ expiresAt, id, isOver, kept, reserved }: Session) =>
      id >= from && !isOver && reserved + kept < this.limit && (expiresAt === undefined || expiresAt >= this.now)
    const good = this.sessions.filter(isGood)
    const session = good.find(({ expiresAt }) => expiresAt !== undefined) ?? good[0] ?? this.login()
    session.reserved++
    caller.session = session
    caller.state = "waiting"
    if (session.expiresAt === undefined) session.waiters.push(caller)
    else this.begin(caller, session)
  }

  private login(): Session {
    const id = this.sessions.length
    const session: Session = { id, expiresAt: undefined, reserved: 0, kept: 0, isOver: false, waiters: [] }
    this.sessions.push(session)
    return session
  }

  private begin(caller: Caller, session: Session): void {
    if (session.isOver) {
      session.reserved--
      return this.reserve(caller, session.id + 1)
    }
    caller.began = this.sessions.length
    caller.state = `using ${session.id}`
    const outcome = caller.plan[caller.uses++]!
    if (outcome !== "hold") this.end(caller, outcome)
  }
}
