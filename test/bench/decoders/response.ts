/** The chunks as a web response, one for each pull: what the libraries that read responses are given. */
export const responseOf = (chunks: ReadonlyArray<Uint8Array>): Response => {
  let index = 0
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (index < chunks.length) controller.enqueue(chunks[index++]!)
      else controller.close()
    }
  }, { highWaterMark: 0 })
  return new Response(body, { headers: { "content-type": "text/event-stream" } })
}
