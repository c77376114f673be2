/**
 * A schema failure as one clause that says where, what was expected and what kind of thing was found. The value
 * itself stays out: it may be a token or a prompt.
 */
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"

const kind = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array"
  if (value === "") return "an empty string"
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : "a number that is not finite"
  return typeof value === "object" ? "an object" : typeof value === "undefined" ? "nothing" : `a ${typeof value}`
}

const expected = (ast: AST.Annotated & { toString(): string }): string =>
  Option.getOrElse(
    Option.orElse(AST.getIdentifierAnnotation(ast), () => AST.getDescriptionAnnotation(ast)),
    () => "_tag" in ast && ast._tag === "TypeLiteral" ? "an object" : String(ast)
  )

const path = (keys: ReadonlyArray<PropertyKey>): string =>
  keys.map((key, index) => typeof key === "number" ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`).join(
    ""
  )

const describeAt = (issue: ParseResult.ParseIssue, at: ReadonlyArray<PropertyKey>): string => {
  switch (issue._tag) {
    case "Pointer":
      return describeAt(issue.issue, [...at, ...Arr.ensure(issue.path as PropertyKey | ReadonlyArray<PropertyKey>)])
    case "Composite":
      return describeAt(Arr.ensure(issue.issues)[0] as ParseResult.ParseIssue, at)
    case "Refinement":
      return issue.kind === "From" ? describeAt(issue.issue, at) : clause(at, expected(issue.ast), issue.actual)
    case "Transformation":
      return issue.kind === "Transformation"
        ? clause(at, expected(issue.ast), issue.actual)
        : describeAt(issue.issue, at)
    case "Missing":
      return clause(at, expected(issue.ast.type), undefined)
    default:
      return clause(at, "ast" in issue ? expected(issue.ast) : "nothing", issue.actual)
  }
}

const clause = (at: ReadonlyArray<PropertyKey>, expected: string, actual: unknown): string =>
  `${at.length === 0 ? "" : `${path(at)}: `}expected ${expected}, found ${kind(actual)}`

/** @internal */
export const describe = (error: ParseResult.ParseError): string => describeAt(error.issue, [])
