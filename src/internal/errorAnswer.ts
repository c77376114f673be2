/**
 * An error that the server answers with: its status, which is also its `code`, and its message.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Data from "effect/Data"
import type * as Protocol from "../Protocol.js"

/** @internal */
export class ErrorAnswer extends Data.TaggedError("ErrorAnswer")<{
  readonly code: 400 | 401 | 403 | 404 | 413 | 429
  readonly msg: string
  /** Whether the connection is closed after the answer. */
  readonly closes?: boolean
}> {}

/** @internal */
export const toResponse = ({ closes, code, msg }: ErrorAnswer): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson({ code, msg } satisfies Protocol.ErrorBody, {
    status: code,
    headers: {
      ...(code === 429 ? { "retry-after": "1" } : code === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...(closes === true ? { connection: "close" } : {})
    }
  })
