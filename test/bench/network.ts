/**
 * The server of the bench and one process for each client, for the parts that go over loopback.
 */
import type { Name } from "./clients/index.js"
import type { Program, Programs } from "./programs.js"

export const titles: Record<Name, string> = {
  streamText: "`GPTalk.streamText`",
  generateText: "`GPTalk.generateText`",
  platform: "`HttpClient`, `Stream` and a loop by hand",
  undiciLoop: "undici and a loop by hand",
  fetchLoop: "fetch and a loop by hand",
  openai: "fetch and openai-node's stream"
}

export interface Network<N extends Name> {
  readonly client: (name: N) => Program
  readonly stop: () => Promise<void>
}

/** `frames`: the lengths of reply to be ready with. */
export const connect = async <N extends Name>(
  programs: Programs,
  names: ReadonlyArray<N>,
  frames: ReadonlyArray<number>
): Promise<Network<N>> => {
  const server = programs.start("frameServer")
  const url = await server.ask<string>("listen", frames)
  const clients = new Map(names.map((name) => [name, programs.start("client", name, url)]))
  return {
    client: (name) => clients.get(name)!,
    stop: async () => {
      await Promise.all([...clients.values()].map((client) => client.stop()))
      await server.stop()
    }
  }
}
