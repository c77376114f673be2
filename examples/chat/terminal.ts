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

  /** Until the next question, what is typed is held. */
  answered(): void {
    this.isAsking = false
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

  private release(): void {
    while (this.isAsking && this.held.length > 0) {
      const start = this.held.indexOf(pasteStart)
      const length = start === -1 ? this.held.length - this.pasteBegun() : start
      if (length > 0) this.releaseKeys(length)
      else if (start === -1 || !this.releasePaste()) return
    }
  }

  /** How many bytes at the end may begin a paste, whose mark can come in two pieces. Escape alone is a key. */
  private pasteBegun(): number {
    for (let length = pasteStart.length - 1; length > 1; length--) {
      if (this.held.toString("latin1", this.held.length - length) === pasteStart.slice(0, length)) return length
    }
    return 0
  }

  /** Up to and with the end of the line, if that comes before `length` bytes. */
  private releaseKeys(length: number): void {
    const end = this.held.subarray(0, length).findIndex(isLineEnd)
    const keys = this.held.subarray(0, end === -1 ? length : end + 1)
    const isCrLf = this.held[end] === 13 && this.held[end + 1] === 10
    this.held = this.held.subarray(keys.length + (isCrLf ? 1 : 0))
    // readline inserts and draws wrongly what comes as one piece of more than one character.
    for (const key of keys) this.emit("data", Uint8Array.of(key))
  }

  /** Releases what is pasted as one key: readline draws a long line anew for each. Returns whether it was all there. */
  private releasePaste(): boolean {
    const end = this.held.indexOf(pasteEnd)
    // A terminal that never says where the paste ends must not keep the key that leaves it.
    const leave = this.held.indexOf(ctrlC)
    if (end === -1 && leave === -1) return false
    const pasted = this.held.toString("utf8", pasteStart.length, end)
    this.held = this.held.subarray(end === -1 ? leave : end + pasteEnd.length)
    // Other control characters would not be drawn, but obeyed.
    const text = pasted.replace(/\r\n?|[\n\u2028\u2029]/g, lineEnd).replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, "")
    if (end !== -1 && text !== "") this.emit("keypress", text, { sequence: text })
    return true
  }
}

export const make: Effect.Effect<Terminal, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const keys = new Keys(process.stdin)
      const others = screen.listeners("resize")
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
      // On a change of its size, readline draws its line anew, also where a reply stands meanwhile.
      const redraw = screen.listeners("resize").filter((listener) => !others.includes(listener)) as Array<() => void>
      const stayStill = () => redraw.forEach((listener) => screen.off("resize", listener))
      lines.on("line", () => {
        keys.answered()
        stayStill()
      })
      return {
        keys,
        lines,
        isClosed: false,
        prompt: () => {
          stayStill()
          redraw.forEach((listener) => screen.on("resize", listener))
          lines.prompt()
        }
      }
    }),
    ({ keys, lines }) =>
      Effect.sync(() => {
        markPastes(false)
        lines.close()
        keys.close()
      })
  ),
  (state) => {
    const { keys, lines, prompt } = state
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
        prompt()
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
