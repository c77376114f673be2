/** The three requests with `fetch`: where to read the reply from, for whatever reads it. */
import { asker, headersOf } from "./session.js"

export const fetched = (url: string): (prompt: string) => Promise<Response> => {
  const ask = asker(url, async (path, body, headers) => {
    const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) })
    return response.json()
  })
  return async (prompt) => fetch(url + await ask(prompt), { headers: headersOf(url) })
}
