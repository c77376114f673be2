/**
 * The reply on its way to stdout, and the spinner on stderr until it comes.
 */
import { Data, Effect, Stream } from "effect"
import { accent, printable } from "./style.js"

/** stdout is gone, or full. */
export class OutputError extends Data.TaggedError("OutputError")<{ readonly code: string; readonly message: string }> {}

// The callback of `write` hears of a failure as well; without a listener the process would die of it.
process.stdout.on("error", () => {})

const write = (text: string): Effect.Effect<void, OutputError> =>
  Effect.async((resume) => {
    process.stdout.write(text, (error: NodeJS.ErrnoException | null | undefined) =>
      resume(error ? Effect.fail(new OutputError({ code: error.code ?? "", message: error.message })) : Effect.void))
  })

const canSpin = process.stderr.isTTY && process.env["TERM"] !== "dumb"
const positions = Array.from("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

const spin = Effect.acquireRelease(
  Effect.sync(() => {
    let count = 0
    const draw = () => process.stderr.write(`\r${accent(positions[count++ % positions.length]!)} `)
    const timer = setInterval(draw, 80)
    let isSpinning = true
    draw()
    return Effect.sync(() => {
      if (!isSpinning) return
      isSpinning = false
      clearInterval(timer)
      process.stderr.write("\r\x1b[K")
    })
  }),
  (stop) => stop
)

const withSpinner = <E, R>(deltas: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
  canSpin ? Stream.unwrapScoped(Effect.map(spin, (stop) => Stream.tap(deltas, () => stop))) : deltas

/**
 * Writes the deltas as they come and a line end after them, also when they end early. `onDelta` hears of each.
 */
export const writeReply = <E, R>(
  deltas: Stream.Stream<string, E, R>,
  onDelta: (delta: string) => void = () => {}
): Effect.Effect<void, E | OutputError, R> =>
  Effect.suspend(() => {
    let last = "\n"
    return withSpinner(deltas).pipe(
      Stream.runForEach((delta) => {
        last = delta
        onDelta(delta)
        return write(process.stdout.isTTY ? printable(delta) : delta)
      }),
      Effect.ensuring(Effect.suspend(() => last.endsWith("\n") ? Effect.void : Effect.ignore(write("\n"))))
    )
  })
