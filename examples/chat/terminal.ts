/**
 * The keyboard of a conversation: lines with editing and history while a question is open, Ctrl-C while a reply runs.
 */
import { Effect } from "effect"
import type { Option, Scope } from "effect"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import type { ReadStream } from "node:tty"
import { accent } from "./style.js"

export interface Terminal {
  /** The next line; none when the user leaves, by Ctrl-D or Ctrl-C. */
  readonly ask: Effect.Effect<Option.Option<string>>
  /** Runs the effect until Ctrl-C; none when that came first. */
  readonly untilStopped: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>
}

const ctrlC = 3
const isLineEnd = (byte: number): boolean => byte === 13 || byte === 10

/** Terminals put these around what is pasted, if they are told to. */
const pasteStart = "\x1b[200~"
const pasteEnd = "\x1b[201~"

/** Stands for a line end in what is pasted: readline would end the question there. */
const lineEnd = "⏎"

/** stderr, or else the terminal that stdout is: without one, readline leaves Ctrl-C to the system, which ends all. */
const screen = process.stdout.isTTY && !process.stderr.isTTY ? process.stdout : process.stderr

const markPastes = (isOn: boolean): void => {
  if (screen.isTTY && process.env["TERM"] !== "dumb") screen.write(`\x1b[?2004${isOn ? "h" : "l"}`)
}

/**
 * Keys on their way to readline. They get there one line per question, so that what is typed (or pasted) while a reply
 * runs does not mix with it, but waits for the next prompt.
 */
class Keys extends PassThrough {
  private held = Buffer.alloc(0)
  private isAsking = false
  private onCtrlC: (() => void) | undefined

  constructor(private readonly source: ReadStream) {
    super()
    source.on("data", this.receive)
    source.on("end", this.leave)
    source.on("error", this.leave)
  }

  /** readline calls this. */
  setRawMode(isRaw: boolean): void {
    if (this.source.isTTY) this.source.setRawMode(isRaw)
  }

  ask(): void {
    this.isAsking = true
    this.release()
  }

  /** Calls back once, also for a Ctrl-C that is held already; with what was typed before it goes no further. */
  onceCtrlC(onCtrlC: (() => void) | undefined): void {
    this.onCtrlC = onCtrlC
    this.stop()
  }

  close(): void {
    this.source.off("data", this.receive)
    this.source.off("end", this.leave)
    this.source.pause()
  }

  private readonly leave = () => this.end()

  private readonly receive = (keys: Buffer) => {
    this.held = Buffer.concat([this.held, keys])
    if (this.isAsking) this.release()
    this.stop()
  }

  private stop(): void {
    const end = this.held.indexOf(ctrlC)
    if (this.onCtrlC === undefined || end === -1) return
    this.held = this.held.subarray(end + 1)
    this.onCtrlC()
    this.onCtrlC = undefined
  }

  private replace(start: number, end: number, text: string): void {
    this.held = Buffer.concat([this.held.subarray(0, start), Buffer.from(text), this.held.subarray(end)])
  }

  /** Makes one line of what is pasted. Returns how many bytes can go on: more may come of what is pasted last. */
  private joinPastes(): number {
    while (true) {
      const start = this.held.indexOf(pasteStart)
      if (start === -1) return this.held.length
      const end = this.held.indexOf(pasteEnd, start)
      // A terminal that never says where the paste ends must not keep the key that leaves it.
      const leave = this.held.indexOf(ctrlC, start)
      if (end !== -1) {
        const pasted = this.held.toString("utf8", start + pasteStart.length, end)
        this.replace(start, end + pasteEnd.length, pasted.replace(/\r\n?|\n/g, lineEnd))
      } else if (leave !== -1) {
        this.replace(start, leave, "")
      } else {
        return start
      }
    }
  }

  private release(): void {
    const length = this.joinPastes()
    const ready = this.held.subarray(0, length)
    const end = ready.findIndex(isLineEnd)
    const keys = end === -1 ? ready : ready.subarray(0, end + 1)
    const isCrLf = this.held[end] === 13 && this.held[end + 1] === 10
    this.held = this.held.subarray(keys.length + (isCrLf ? 1 : 0))
    if (end !== -1) this.isAsking = false
    // readline inserts and draws wrongly what comes as one piece of more than one character.
    for (const key of keys) this.write(Uint8Array.of(key))
  }
}

export const make: Effect.Effect<Terminal, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const keys = new Keys(process.stdin)
      const lines = createInterface({
        input: keys,
        output: screen,
        terminal: screen.isTTY,
        prompt: accent("› "),
        historySize: 1000,
        removeHistoryDuplicates: true
      })
      // Ctrl-Z stops the whole job: npm and tsx, which wait for this process, and not this process alone. Without a
      // shell that could continue it, nothing is stopped.
      lines.on("SIGTSTP", () => {
        const settle = () => {
          clearTimeout(notStopped)
          process.off("SIGCONT", goOn)
          lines.off("close", settle)
        }
        const goOn = () => {
          settle()
          keys.setRawMode(true)
          markPastes(true)
          lines.prompt(true)
        }
        const notStopped = setTimeout(goOn, 100)
        process.on("SIGCONT", goOn)
        lines.on("close", settle)
        markPastes(false)
        keys.setRawMode(false)
        process.kill(0, "SIGTSTP")
      })
      markPastes(true)
      return { keys, lines, isClosed: false }
    }),
    ({ keys, lines }) =>
      Effect.sync(() => {
        markPastes(false)
        lines.close()
        keys.close()
      })
  ),
  (state) => {
    const { keys, lines } = state
    lines.once("close", () => {
      state.isClosed = true
    })
    return {
      ask: Effect.async((resume) => {
        if (state.isClosed) return resume(Effect.succeedNone)
        const off = () => {
          lines.off("line", onLine)
          lines.off("close", onClose)
        }
        const onLine = (line: string) => {
          off()
          resume(Effect.succeedSome(line.replaceAll(lineEnd, "\n")))
        }
        const onClose = () => {
          off()
          screen.write("\n")
          resume(Effect.succeedNone)
        }
        lines.on("line", onLine)
        lines.on("close", onClose)
        lines.prompt()
        keys.ask()
        return Effect.sync(off)
      }),
      untilStopped: (effect) =>
        Effect.raceFirst(
          Effect.asSome(effect),
          Effect.async<Option.Option<never>>((resume) => {
            keys.onceCtrlC(() => resume(Effect.succeedNone))
            return Effect.sync(() => keys.onceCtrlC(undefined))
          })
        )
    }
  }
)
