/**
 * What is measured without a network: the bytes of a reply into its deltas, joined.
 */
import { aiSdk } from "./aiSdk.js"
import { effectAi } from "./effectAi.js"
import { eventsourceParser } from "./eventsourceParser.js"
import { eventsourceParserStream } from "./eventsourceParserStream.js"
import { hand } from "./hand.js"
import { knownAsStream } from "./knownAsStream.js"
import { openai } from "./openai.js"
import { ours } from "./ours.js"
import { oursAsClient } from "./oursAsClient.js"
import { oursAsStream } from "./oursAsStream.js"

export type Decoder = (chunks: ReadonlyArray<Uint8Array>) => string | Promise<string>

export const decoders = {
  ours,
  oursAsStream,
  oursAsClient,
  knownAsStream,
  hand,
  eventsourceParser,
  eventsourceParserStream,
  openai,
  aiSdk,
  effectAi
} satisfies Record<
  string,
  Decoder
>

export type Name = keyof typeof decoders
