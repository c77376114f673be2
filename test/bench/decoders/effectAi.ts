/** What the streams of `@effect/ai-openai` are made of. */
import * as Sse from "@effect/experimental/Sse"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Decoder } from "./index.js"
import { responseOf } from "./response.js"

const request = HttpClientRequest.get("http://localhost")
const decodeEvent = Schema.decode(Schema.parseJson(Schema.Struct({ content: Schema.String })))

export const effectAi: Decoder = (chunks) => {
  let length = 0
  let text = ""
  return HttpClientResponse.fromWeb(request, responseOf(chunks)).stream.pipe(
    Stream.decodeText(),
    Stream.pipeThroughChannel(Sse.makeChannel()),
    Stream.takeUntil((event) => event.data === "[DONE]"),
    Stream.filter((event) => event.data !== "[DONE]"),
    Stream.mapEffect((event) => decodeEvent(event.data)),
    Stream.runForEach(({ content }) =>
      Effect.sync(() => {
        text += content.slice(length)
        length = content.length
      })
    ),
    Effect.map(() => text),
    Effect.runPromise
  )
}
