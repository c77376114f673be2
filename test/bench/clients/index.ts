/**
 * What is measured over the network. All of them log in for every fifth reply, send the headers of the protocol, and
 * keep their connections where they can. A process loads only its own.
 */
import type { Client } from "./client.js"

export const clients = {
  streamText: async () => (await import("./ours.js")).streamText,
  generateText: async () => (await import("./ours.js")).generateText,
  platform: async () => (await import("./platform.js")).platform,
  undiciLoop: async () => (await import("./undiciLoop.js")).undiciLoop,
  fetchLoop: async () => (await import("./fetchLoop.js")).fetchLoop,
  openai: async () => (await import("./openai.js")).openai
} satisfies Record<string, () => Promise<(url: string) => Client>>

export type Name = keyof typeof clients
