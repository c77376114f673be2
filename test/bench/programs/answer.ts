/**
 * How a program of the bench is asked for things by the process that started it.
 */

export interface Question {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

export const answer = (methods: Readonly<Record<string, (argument: never) => unknown>>): void => {
  process.on("message", async ({ argument, id, method }: Question) => {
    const reply = (answer: Answer) => process.send!(answer)
    try {
      reply({ id, value: await methods[method]!(argument as never) })
    } catch (error) {
      reply({ id, error: `${method}: ${error instanceof Error ? error.stack : String(error)}` })
    }
  })
  process.on("disconnect", () => process.exit())
}

/**
 * Not before what is timed: a forced collection throws compiled code away, and the run after it is half as fast.
 */
export const collectGarbage = (): void => {
  const { gc } = globalThis as { readonly gc?: () => void }
  gc?.()
}

/** CPU milliseconds of the whole process so far: garbage collection and compilation count. */
export const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1000
}
