/**
 * The loop that one writes by hand: each frame parsed, and what was known cut off.
 */
export class HandLoop {
  private readonly utf8 = new TextDecoder()
  private rest = ""
  private length = 0

  push(chunk: Uint8Array, onDelta: (delta: string) => void): void {
    const lines = (this.rest + this.utf8.decode(chunk, { stream: true })).split("\n")
    this.rest = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith("data:")) continue
      const data = line.slice(5).trim()
      if (data === "[DONE]") continue
      const { content } = JSON.parse(data) as { readonly content: string }
      if (content.length > this.length) onDelta(content.slice(this.length))
      this.length = content.length
    }
  }
}
