import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Runtime from "effect/Runtime"
import { Body } from "../../../src/internal/body.js"
import type { Deadline } from "../../../src/internal/deadline.js"
import * as Fault from "../../../src/internal/fault.js"
import { Secrets } from "../../../src/internal/secrets.js"
import { responseOf } from "./response.js"

const request = HttpClientRequest.get("http://localhost")

/** The chunks as the client of this package has them from a response. */
export const bodyOf = (chunks: ReadonlyArray<Uint8Array>, deadline?: Deadline): Body => {
  const body = new Body(
    (error) => Fault.toConnectionError(error, { step: "stream", secrets: new Secrets([]) }),
    deadline
  )
  body.connect(HttpClientResponse.fromWeb(request, responseOf(chunks)), Runtime.defaultRuntime)
  return body
}
