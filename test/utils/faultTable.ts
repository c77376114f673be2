/**
 * What must come of every fault at each of the three steps.
 */
import * as Duration from "effect/Duration"
import type * as GPTalk from "../../src/GPTalk.js"
import type { GPTalkError } from "../../src/GPTalkError.js"
import type { FaultName } from "./faults.js"
import type { Options, Step } from "./FaultServer.js"
import { deltas, reply } from "./FaultServer.js"

export interface Row {
  readonly fault: FaultName
  readonly step: Step
  /** The fields of the error, or that the reply comes all the same. */
  readonly expected: "reply" | Readonly<Record<string, unknown>>
  /** How many of `login`, `text` and `stream`. */
  readonly requests: readonly [login: number, text: number, stream: number]
  /** What was handed on. */
  readonly text: string
  /** How many calls are made, one after another. The outcome is that of the last; those before it succeed. */
  readonly calls: number
  readonly server: Options
  readonly options: GPTalk.Options
  /** In milliseconds. */
  readonly takesAtLeast: number
}

const row = (
  fault: FaultName,
  step: Step,
  expected: "reply" | { readonly [key: string]: unknown; readonly _tag: GPTalkError["_tag"] },
  requests: Row["requests"],
  more: Partial<Row> = {}
): Row => ({
  fault,
  step,
  expected: expected === "reply" ? expected : { step, ...expected },
  requests,
  text: expected === "reply" ? reply : "",
  calls: 1,
  server: {},
  takesAtLeast: 0,
  ...more,
  options: { retries: 0, maxBodySize: 65_536, maxFrameSize: 65_536, ...more.options }
})

const partialReply = deltas.slice(0, 2).join("")

const seconds = Duration.seconds
const short = Duration.seconds(1)

const connection = { _tag: "ConnectionError", isRetryable: true } as const
const protocol = { _tag: "ProtocolError", isRetryable: false } as const
const incomplete = (text: string) => ({ _tag: "IncompleteReplyError", isRetryable: true, text } as const)
const timeout = (phase: "response" | "firstDelta" | "idle") =>
  ({ _tag: "TimeoutError", isRetryable: true, phase, after: short }) as const
const service = (status: number, isRetryable: boolean, fields: object = {}) =>
  ({ _tag: "ServiceError", isRetryable, status, retryAfter: undefined, ...fields }) as const
const refused = (status: number) => ({ _tag: "AuthenticationError", isRetryable: false, status }) as const
const limited = (retryAfter: Duration.Duration | undefined) =>
  ({ _tag: "RateLimitError", isRetryable: true, retryAfter }) as const
const tooLarge = {
  ...protocol,
  issue: "expected an answer of at most 65536 bytes, found a larger one"
}
const notJson = { ...protocol, issue: "expected JSON, found other text" }
const noJson = { ...protocol, issue: "expected JSON, found nothing" }

const shortly = (phase: "response" | "firstDelta" | "idle") => ({ options: { timeouts: { [phase]: short } } })
const once = (retries: number, more: Partial<Row> = {}): Partial<Row> => ({
  ...more,
  server: { times: 1 },
  options: { retries }
})

const login = [1, 0, 0] as const
const text = [1, 1, 0] as const
const all = [1, 1, 1] as const

/** A request is made once more, for its own sake or for that of a step that comes after it. */
const loginTwice = [2, 1, 1] as const
const textTwice = [1, 2, 1] as const
const streamTwice = [1, 2, 2] as const
/** A session was refused, and then another one. */
const refusedTwice = [2, 2, 0] as const
const refusedOnce = [2, 2, 1] as const
/** Of two calls the second found its session gone. */
const refusedLater = [2, 3, 2] as const

export const rows: ReadonlyArray<Row> = [
  row("refuses the connection", "login", connection, [0, 0, 0]),
  row("refuses the connection", "text", connection, [1, 0, 0]),
  row("refuses the connection", "stream", connection, [1, 1, 0]),

  row("resets before the answer", "login", connection, login),
  row("resets before the answer", "text", connection, text),
  row("resets before the answer", "stream", connection, all),
  row("resets before the answer", "login", "reply", loginTwice, once(1)),
  row("resets before the answer", "text", "reply", textTwice, once(1)),
  row("resets before the answer", "stream", "reply", streamTwice, once(1)),

  row("resets after the headers", "login", connection, login),
  row("resets after the headers", "text", connection, text),
  row("resets after the headers", "stream", connection, all),
  row("resets with the headers", "login", connection, login),
  row("resets with the headers", "text", connection, text),
  row("resets with the headers", "stream", connection, all),

  row("resets in the body", "login", connection, login),
  row("resets in the body", "text", connection, text),
  row("resets in the body", "stream", incomplete(partialReply), all, { text: partialReply }),
  row("resets in the body", "login", "reply", loginTwice, once(1)),
  row("resets in the body", "text", "reply", textTwice, once(1)),
  row("resets in the body", "stream", incomplete(partialReply), all, once(1, { text: partialReply })),

  row("stalls before the headers", "login", timeout("response"), login, shortly("response")),
  row("stalls before the headers", "text", timeout("response"), text, shortly("response")),
  row("stalls before the headers", "stream", timeout("response"), all, shortly("response")),
  row("stalls after the headers", "login", timeout("response"), login, shortly("response")),
  row("stalls after the headers", "text", timeout("response"), text, shortly("response")),
  row("stalls after the headers", "stream", timeout("firstDelta"), all, shortly("firstDelta")),
  row("stalls in the body", "login", timeout("response"), login, shortly("response")),
  row("stalls in the body", "text", timeout("response"), text, shortly("response")),
  row("stalls in the body", "stream", timeout("idle"), all, { ...shortly("idle"), text: partialReply }),
  row("keeps alive what is dead from the start", "login", timeout("response"), login, shortly("response")),
  row("keeps alive what is dead from the start", "text", timeout("response"), text, shortly("response")),
  row("keeps alive what is dead from the start", "stream", timeout("firstDelta"), all, shortly("firstDelta")),
  row("keeps alive what died on the way", "login", timeout("response"), login, shortly("response")),
  row("keeps alive what died on the way", "text", timeout("response"), text, shortly("response")),
  row("keeps alive what died on the way", "stream", timeout("idle"), all, { ...shortly("idle"), text: partialReply }),

  row("trickles byte by byte", "login", "reply", all),
  row("trickles byte by byte", "text", "reply", all),
  row("trickles byte by byte", "stream", "reply", all),

  row("ends before the answer", "login", connection, login),
  row("ends before the answer", "text", connection, text),
  row("ends before the answer", "stream", connection, all),
  row("ends after the headers", "login", connection, login),
  row("ends after the headers", "text", connection, text),
  row("ends after the headers", "stream", connection, all),
  row("ends in the body", "login", connection, login),
  row("ends in the body", "text", connection, text),
  row("ends in the body", "stream", incomplete(partialReply), all, { text: partialReply }),
  row("ends half an answer well", "login", notJson, login),
  row("ends half an answer well", "text", notJson, text),
  row("ends half an answer well", "stream", incomplete(partialReply), all, { text: partialReply }),
  row("leaves out the end", "login", notJson, login),
  row("leaves out the end", "text", notJson, text),
  row("leaves out the end", "stream", incomplete(reply), all, { text: reply }),
  row("goes on after the end", "login", notJson, login),
  row("goes on after the end", "text", notJson, text),
  row("goes on after the end", "stream", "reply", all),
  row("never ends", "login", timeout("response"), login, shortly("response")),
  row("never ends", "text", timeout("response"), text, shortly("response")),
  row("never ends", "stream", "reply", all),

  row("claims more bytes than it has", "login", connection, login),
  row("claims more bytes than it has", "text", connection, text),
  row("claims more bytes than it has", "stream", "reply", all),
  row("claims fewer bytes than it has", "login", notJson, login),
  row("claims fewer bytes than it has", "text", notJson, text),
  row("claims fewer bytes than it has", "stream", incomplete(reply), all, { text: reply }),
  row("claims gigabytes", "login", tooLarge, login),
  row("claims gigabytes", "text", tooLarge, text),
  row("claims gigabytes", "stream", "reply", all),

  row("answers HTML", "login", notJson, login),
  row("answers HTML", "text", notJson, text),
  row("answers HTML", "stream", { ...protocol, issue: "expected an event stream, found HTML" }, all),
  row("answers 502 with HTML", "login", service(502, true, { detail: undefined }), login),
  row("answers 502 with HTML", "text", service(502, true, { detail: undefined }), text),
  row("answers 502 with HTML", "stream", service(502, true, { detail: undefined }), all),
  row("answers plain words", "login", notJson, login),
  row("answers plain words", "text", notJson, text),
  row("answers plain words", "stream", service(400, false), all),
  row("garbles its words", "login", notJson, login),
  row("garbles its words", "text", notJson, text),
  row("garbles its words", "stream", "reply", all),
  row("answers endless JSON", "login", tooLarge, login),
  row("answers endless JSON", "text", tooLarge, text),
  row("answers endless JSON", "stream", tooLarge, all),
  row("sends an endless line", "login", tooLarge, login),
  row("sends an endless line", "text", tooLarge, text),
  row(
    "sends an endless line",
    "stream",
    { ...protocol, issue: "expected a frame of at most 65536 bytes, found a larger one" },
    all
  ),
  row("answers nothing", "login", noJson, login),
  row("answers nothing", "text", noJson, text),
  row("answers nothing", "stream", incomplete(""), all),
  row("answers 204", "login", noJson, login),
  row("answers 204", "text", noJson, text),
  row("answers 204", "stream", incomplete(""), all),

  row("is no HTTP server", "login", connection, login),
  row("is no HTTP server", "text", connection, text),
  row("is no HTTP server", "stream", connection, all),
  row("breaks its own encoding", "login", connection, login),
  row("breaks its own encoding", "text", connection, text),
  row("breaks its own encoding", "stream", incomplete(partialReply), all, { text: partialReply }),
  row("sends endless headers", "login", connection, login),
  row("sends endless headers", "text", connection, text),
  row("sends endless headers", "stream", connection, all),
  row("sends early hints", "login", "reply", all),
  row("sends early hints", "text", "reply", all),
  row("sends early hints", "stream", "reply", all),

  row("answers 400", "login", service(400, false, { code: 4000 }), login, once(1)),
  row("answers 400", "text", service(400, false, { code: 4000 }), text, once(1)),
  row("answers 400", "stream", service(400, false, { code: 4000 }), all, once(1)),
  row("answers 400 with words for a code", "login", service(400, false), login, once(1)),
  row("answers 400 with words for a code", "text", service(400, false), text, once(1)),
  row("answers 400 with words for a code", "stream", service(400, false), all, once(1)),
  row("answers 401", "login", refused(401), login, once(1)),
  row("answers 401", "text", refused(401), refusedTwice, { options: { retries: 1 } }),
  row("answers 401", "text", "reply", refusedOnce, once(0)),
  row("answers 401", "stream", service(401, false, { code: 4010 }), all, once(1)),
  row("answers 403", "login", refused(403), login, once(1)),
  row("answers 403", "text", refused(403), refusedTwice, { options: { retries: 1 } }),
  row("answers 403", "text", "reply", refusedOnce, once(0)),
  row("answers 403", "stream", service(403, false, { code: 4030 }), all, once(1)),
  row("answers 404", "login", service(404, false, { code: 4040 }), login, once(1)),
  row("answers 404", "text", service(404, false, { code: 4040 }), text, once(1)),
  row("answers 404", "stream", service(404, false, { code: 4040 }), all, once(1)),

  row("answers 429", "login", limited(undefined), login),
  row("answers 429", "text", limited(undefined), text),
  row("answers 429", "stream", limited(undefined), all),
  row("answers 429 with seconds", "login", "reply", loginTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with seconds", "text", "reply", textTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with seconds", "stream", "reply", streamTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with a date", "login", "reply", loginTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with a date", "text", "reply", textTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with a date", "stream", "reply", streamTwice, once(1, { takesAtLeast: 950 })),
  row("answers 429 with too many seconds", "login", limited(seconds(61)), login, once(1)),
  row("answers 429 with too many seconds", "text", limited(seconds(61)), text, once(1)),
  row("answers 429 with too many seconds", "stream", limited(seconds(61)), all, once(1)),
  row("answers 429 with too late a date", "login", { _tag: "RateLimitError" }, login, once(1)),
  row("answers 429 with too late a date", "text", { _tag: "RateLimitError" }, text, once(1)),
  row("answers 429 with too late a date", "stream", { _tag: "RateLimitError" }, all, once(1)),
  row("answers 500", "login", service(500, true, { code: 5000 }), login),
  row("answers 500", "text", service(500, true, { code: 5000 }), text),
  row("answers 500", "stream", service(500, true, { code: 5000 }), all),
  row("answers 503", "login", service(503, true, { code: 5030 }), login),
  row("answers 503", "text", service(503, true, { code: 5030 }), text),
  row("answers 503", "stream", service(503, true, { code: 5030 }), all),
  row("answers 503", "login", "reply", loginTwice, once(1)),
  row("answers 503", "text", "reply", textTwice, once(1)),
  row("answers 503", "stream", "reply", streamTwice, once(1)),
  row("answers 503 with seconds", "login", service(503, true, { retryAfter: seconds(1) }), login),
  row("answers 503 with seconds", "text", service(503, true, { retryAfter: seconds(1) }), text),
  row("answers 503 with seconds", "stream", service(503, true, { retryAfter: seconds(1) }), all),
  row("answers 503 with seconds", "stream", "reply", streamTwice, once(1, { takesAtLeast: 950 })),

  row("answers without data", "login", protocol, login),
  row("answers without data", "text", protocol, refusedTwice),
  row("answers without data", "text", "reply", refusedOnce, once(0)),
  row("answers without data", "stream", { ...protocol, issue: "expected an event stream, found JSON" }, all),
  row("answers data of the wrong shape", "login", protocol, login),
  row("answers data of the wrong shape", "text", protocol, text),
  row("answers data of the wrong shape", "stream", protocol, all),
  row("answers 200 with an error", "login", service(200, false, { code: 1001 }), login),
  row("answers 200 with an error", "text", service(200, false, { code: 1001 }), refusedTwice),
  row("answers 200 with an error", "text", "reply", refusedOnce, once(0)),
  row("answers 200 with an error", "stream", service(200, false, { code: 1001 }), all),
  row("sends an error in place of the rest", "login", service(200, false, { code: "overloaded" }), login),
  row("sends an error in place of the rest", "text", service(200, false, { code: "overloaded" }), refusedTwice),
  row("sends an error in place of the rest", "stream", service(200, false, { code: "overloaded" }), all, {
    text: partialReply
  }),

  row("redirects with 302", "login", service(302, false), login, once(1)),
  row("redirects with 302", "text", service(302, false), text, once(1)),
  row("redirects with 302", "stream", service(302, false), all, once(1)),
  row("redirects with 307", "login", service(307, false), login, once(1)),
  row("redirects with 307", "text", service(307, false), text, once(1)),
  row("redirects with 307", "stream", service(307, false), all, once(1)),

  row("revokes its sessions", "login", "reply", refusedOnce, once(0)),
  row("revokes its sessions", "login", { ...service(200, false, { code: 1007 }), step: "text" }, refusedTwice),
  row("revokes its sessions", "login", { ...refused(401), step: "text" }, refusedTwice, { server: { refusal: 401 } }),
  row("revokes its sessions", "text", "reply", refusedLater, { calls: 2 }),
  row("revokes its sessions", "text", "reply", refusedLater, { calls: 2, server: { refusal: 401 } }),
  row("revokes its sessions", "stream", "reply", refusedLater, { calls: 2 }),
  row("revokes its sessions", "stream", "reply", refusedLater, { calls: 2, server: { refusal: 403 } }),
  row("allows less than it says", "login", "reply", [2, 2, 2], { calls: 2, server: { expiresAt: 1 } }),
  row("allows less than it says", "text", "reply", refusedLater, { calls: 2, server: { uses: 1 } }),
  row("allows less than it says", "text", "reply", refusedLater, { calls: 2, server: { uses: 1, refusal: 401 } }),
  row("allows less than it says", "text", service(200, false, { code: 1007 }), refusedTwice, { server: { uses: 0 } }),
  row("allows less than it says", "stream", service(200, false, { code: 1007 }), all, { server: { streams: 0 } })
]

/** What the output of a test run says of a row. */
export const title = (row: Row): string => {
  const more = [
    row.server.times === undefined ? undefined : "once",
    row.server.refusal === undefined ? undefined : `refusing with ${row.server.refusal}`,
    row.calls === 1 ? undefined : `${row.calls} calls`
  ].filter((part) => part !== undefined)
  const outcome = row.expected === "reply" ? "the reply" : row.expected["_tag"]
  return `${row.step}: ${row.fault}${more.length === 0 ? "" : ` (${more.join(", ")})`} -> ${outcome}`
}
