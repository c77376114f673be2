/**
 * The long forms of what `test/Bounds.test.ts` looks at in short, for each client: minutes, not seconds. A word on the
 * command line picks a client.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { clients } from "../utils/clients.js"
import * as FaultServer from "../utils/FaultServer.js"
import * as Load from "../utils/load.js"

const megabyte = 2 ** 20
const inMegabytes = (bytes: number) => `${(bytes / megabyte).toFixed(1)} MB`

let failures = 0
const report = (name: string, holds: boolean, found: string) =>
  Effect.zipRight(
    Effect.sync(() => failures += holds ? 0 : 1),
    Console.log(`${holds ? "ok  " : "FAIL"} ${name}: ${found}`)
  )

const soak = (name: string, client: Load.Client) =>
  Effect.gen(function*() {
    const { logins, open, replies } = yield* Load.openAtOnce(client, 1000)
    const isWhole = replies.size === 1 && replies.has(FaultServer.reply)
    yield* report(
      `${name}, 1,000 replies open at once`,
      open === 1000 && logins === 200 && isWhole,
      `${open} open, ${logins} logins, ${isWhole ? "all whole" : "not all whole"}`
    )

    const { growth } = yield* Load.oneAfterAnother(client, { count: 20_000, first: 2000 })
    yield* report(`${name}, 20,000 replies`, growth < 10 * megabyte, `${inMegabytes(growth)} more than after 2,000`)

    const { most, sent } = yield* Load.slowConsumer(client, { deltas: 300, pause: "100 millis" })
    yield* report(
      `${name}, a slow consumer`,
      most < 24 * megabyte && sent < 64 * megabyte,
      `${inMegabytes(sent)} sent to it, ${inMegabytes(most)} held at the worst`
    )

    const length = yield* Load.largeFrame(client, 10 * megabyte)
    yield* report(`${name}, a frame of 10 MB`, length > 10 * megabyte - 100, `${length} characters`)
  })

const names = process.argv.slice(2)
const unknown = names.filter((name) => !Object.hasOwn(clients, name))
if (unknown.length > 0) {
  console.error(`There is no client ${unknown.join(", ")}; there are ${Object.keys(clients).join(", ")}.`)
  process.exit(1)
}

const program = Effect.forEach(
  Object.entries(clients).filter(([name]) => names.length === 0 || names.includes(name)),
  ([name, client]) =>
    Effect.flatMap(Load.leftovers(soak(name, client)), (left) =>
      report(
        `${name}, afterwards`,
        left.sockets === 0 && left.timers === 0 && left.fibers === 0,
        `${left.sockets} sockets, ${left.timers} timers, ${left.fibers} fibers left`
      )),
  { discard: true }
)

Effect.runPromise(program).then(
  () => {
    process.exitCode = failures === 0 ? 0 : 1
  },
  (error) => {
    console.error(error)
    process.exitCode = 1
  }
)
