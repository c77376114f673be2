import { type Decoder, decoders, type Name } from "../decoders/index.js"
import * as Script from "../script.js"
import { answer, cpuMillis } from "./answer.js"

export interface Sample {
  readonly decoder: Name
  readonly frames: number
  readonly isFrameByFrame: boolean
  /** How often the reply is decoded. */
  readonly count: number
}

const once = async (decoder: Decoder, chunks: ReadonlyArray<Uint8Array>, text: string): Promise<void> => {
  const decoded = decoder(chunks)
  if ((typeof decoded === "string" ? decoded : await decoded) !== text) throw new Error("the text is another one")
}

answer({
  /** CPU milliseconds of one reply. */
  sample: async ({ count, decoder, frames, isFrameByFrame }: Sample): Promise<number> => {
    const script = Script.of(frames)
    const chunks = isFrameByFrame ? script.frames : script.blocks
    const before = cpuMillis()
    for (let index = 0; index < count; index++) await once(decoders[decoder], chunks, script.text)
    return (cpuMillis() - before) / count
  }
})
