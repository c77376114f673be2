/**
 * The session of the clients written by hand: a login for every fifth reply, and one that all wait for.
 */
import * as Protocol from "effect-gptalk/Protocol"

export type Post = (path: string, body: unknown, headers: Record<string, string>) => Promise<unknown>

interface Answer {
  readonly data: { readonly token: string }
}

export const headersOf = (url: string): Record<string, string> =>
  Protocol.defaultHeaders({ origin: url, now: Math.floor(Date.now() / 1000) })

const textBody = (content: string, userAgent: string): Protocol.TextRequest => ({
  content,
  accept: "stream",
  from: 1,
  model: Protocol.defaultModel,
  is_mobile: 0,
  user_agent: userAgent,
  is_open_ctx: 0,
  prompt: "",
  roid: 111,
  temperature: 0,
  ctx_msg_count: 3,
  created_at: Math.floor(Date.now() / 1000)
})

/** Asks for a reply, and gives the path to read it from. */
export const asker = (url: string, post: Post): (prompt: string) => Promise<string> => {
  let session: Promise<Answer> | undefined
  let uses = 0
  return async (prompt) => {
    const headers = headersOf(url)
    if (session === undefined || uses === Protocol.defaultUsageLimit) {
      uses = 0
      session = post(
        Protocol.paths.login,
        { fingerprint: crypto.randomUUID().replaceAll("-", ""), platform: "fingerprint" },
        headers
      ) as Promise<Answer>
    }
    uses++
    const { data } = await session
    const body = textBody(prompt, headers["user-agent"]!)
    const answer = await post(Protocol.paths.text, body, {
      ...headers,
      authorization: `Bearer ${data.token}`
    }) as Answer
    return `${Protocol.paths.stream}?token=${encodeURIComponent(answer.data.token)}`
  }
}
