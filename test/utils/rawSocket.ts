/**
 * A client that says what it likes, byte by byte, and reads when it likes.
 */
import { Effect, type Scope } from "effect"
import * as Net from "node:net"

export interface RawSocket {
  readonly socket: Net.Socket
  /** What has been read so far. */
  readonly received: () => string
  /** Whether the other side has closed. */
  readonly isOver: () => boolean
  /** What there is when the other side has closed, or nothing more has come for a while. */
  readonly settled: Effect.Effect<string>
}

export const open = (port: number): Effect.Effect<RawSocket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<RawSocket>((resume) => {
      const chunks: Array<Buffer> = []
      const socket = Net.connect({ host: "127.0.0.1", port, allowHalfOpen: true })
      socket.on("error", () => {})
      socket.on("data", (chunk) => chunks.push(chunk))
      const received = () => Buffer.concat(chunks).toString("latin1")
      let isOver = false
      socket.on("end", () => isOver = true)
      socket.on("close", () => isOver = true)
      const settled = Effect.promise(async () => {
        for (let count = -1; count !== chunks.length && !isOver;) {
          count = chunks.length
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        return received()
      })
      socket.on("connect", () => resume(Effect.succeed({ socket, received, isOver: () => isOver, settled })))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

export const write = ({ socket }: RawSocket, data: string | Uint8Array): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    socket.write(data, () => resume(Effect.void))
  })

export const head = (method: string, path: string, headers: Record<string, string | number> = {}): string =>
  `${method} ${path} HTTP/1.1\r\nhost: gptalk.test\r\n${
    Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n`
