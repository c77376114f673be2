/**
 * One place between a reader and what it reads from. It holds one batch, so that a slow reader holds its source back;
 * and it can be ended from outside, so that a timeout needs no race for each read.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** @internal */
export class Inbox<A, E> {
  private batch: A | undefined
  private exit: Exit.Exit<undefined, E> | undefined
  private reader: ((effect: Effect.Effect<A | undefined, E>) => void) | undefined
  private writer: ((effect: Effect.Effect<void>) => void) | undefined

  /** The next batch, or `undefined` once the source has ended and all is read. One reader at a time. */
  readonly take: Effect.Effect<A | undefined, E> = Effect.suspend(() => {
    const batch = this.batch
    if (batch !== undefined) {
      this.batch = undefined
      this.writer?.(Effect.void)
      this.writer = undefined
      return Effect.succeed(batch)
    }
    return this.exit ?? Effect.async<A | undefined, E>((resume) => {
      this.reader = resume
      return Effect.sync(() => {
        this.reader = undefined
      })
    })
  })

  /** Hands over a batch; done when there is room for the next. One writer at a time. */
  offer(batch: A): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reader = this.reader
      if (reader !== undefined) {
        this.reader = undefined
        reader(Effect.succeed(batch))
        return Effect.void
      }
      this.batch = batch
      return Effect.async<void>((resume) => {
        this.writer = resume
      })
    })
  }

  /** Whether a reader waits. */
  get isAwaited(): boolean {
    return this.reader !== undefined
  }

  /** Ends what is read, after the batch that is still to be taken. The first end counts. */
  end(exit: Exit.Exit<undefined, E>): void {
    this.exit ??= exit
    this.reader?.(this.exit)
    this.reader = undefined
  }
}
