import type { Programs } from "./programs.js"
import type { Section } from "./report.js"

export interface Context {
  readonly programs: Programs
  /** The short form for CI: everything once and a little of it. Only a wrong result fails it. */
  readonly isShort: boolean
  readonly log: (line: string) => void
}

export type Part = (context: Context) => Promise<Section>
