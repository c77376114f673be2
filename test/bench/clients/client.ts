export type OnDelta = (delta: string) => void

export interface Client {
  /** One reply, to its end. */
  readonly reply: (prompt: string, onDelta: OnDelta) => Promise<void>
  /** So many replies, so many of them at once, as one writes it with this client. */
  readonly replies: (load: Load) => Promise<ReadonlyArray<string>>
}

export interface Load {
  readonly prompt: string
  readonly count: number
  readonly concurrency: number
}

/** The `replies` of a client that is made of promises. */
export const repliesOf = (reply: Client["reply"]): Client["replies"] => async ({ concurrency, count, prompt }) => {
  const texts: Array<string> = []
  let left = count
  const work = async () => {
    while (left > 0) {
      left--
      let text = ""
      await reply(prompt, (delta) => {
        text += delta
      })
      texts.push(text)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return texts
}
