/**
 * Describes a schema failure in one clause: where, what was expected, and what kind of value was found. The value
 * itself is left out: it may be a token or a prompt.
 */
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"

const kind = (value: unknown): string => {
  if (value === null) return "null"
  if (value === undefined) return "nothing"
  if (value === "") return "an empty string"
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array"
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : "a number that is not finite"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** An optional field is a union with `undefined`, which is not mentioned. */
const expectedOf = (ast: AST.Union): string =>
  [...new Set(ast.types.filter((type) => !AST.isUndefinedKeyword(type)).map(expected))].join(" or ")

const expected = (ast: AST.AST): string =>
  String(
    ast.annotations[AST.DescriptionAnnotationId] ??
      (AST.isTypeLiteral(ast)
        ? "an object"
        : ast.annotations[AST.IdentifierAnnotationId] ?? (AST.isUnion(ast) ? expectedOf(ast) : ast))
  )

const join = (path: string, keys: ParseResult.Path): string =>
  [keys].flat().reduce<string>(
    (path, key) => path + (typeof key === "number" ? `[${key}]` : `${path && "."}${String(key)}`),
    path
  )

/** The issue within an issue; `undefined` if the value itself is what does not fit. */
const innerOf = (issue: ParseResult.ParseIssue): ParseResult.ParseIssue | undefined => {
  switch (issue._tag) {
    case "Pointer":
    case "Refinement":
    case "Transformation":
      return issue.issue
    case "Composite": {
      const issues: ReadonlyArray<ParseResult.ParseIssue> = [issue.issues].flat()
      // Of a union, a member that fails within the value is taken for the one that was meant.
      return issues.find(({ _tag }) => _tag !== "Type") ?? (AST.isUnion(issue.ast) ? undefined : issues[0])
    }
  }
  return undefined
}

const describeAt = (issue: ParseResult.ParseIssue, path: string): string => {
  const inner = innerOf(issue)
  if (inner !== undefined) return describeAt(inner, issue._tag === "Pointer" ? join(path, issue.path) : path)
  const wanted = "ast" in issue ? expected(issue._tag === "Missing" ? issue.ast.type : issue.ast) : "nothing"
  return `${path && `${path}: `}expected ${wanted}, found ${kind(issue.actual)}`
}

/** @internal */
export const describe = (error: ParseResult.ParseError): string => describeAt(error.issue, "")
