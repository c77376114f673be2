/**
 * The body of a request to one of the servers that are written by hand.
 */
import type * as Http from "node:http"

/** The body of `login` has no content. */
interface Asked {
  readonly content: string
}

export const readJson = async (request: Http.IncomingMessage): Promise<Asked> => {
  let text = ""
  for await (const chunk of request) text += chunk
  return JSON.parse(text) as Asked
}
