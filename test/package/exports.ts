/**
 * Whether every export of a public module says what it is.
 */
import { relative } from "node:path"
import ts from "typescript"
import { root } from "./modules.js"

interface Doc {
  readonly text: string
  readonly tags: ReadonlyArray<string>
}

const docOf = (node: ts.Node): Doc | undefined => {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)
  const doc = docs.at(-1)
  return doc && {
    text: ts.getTextOfJSDocComment(doc.comment) ?? "",
    tags: (doc.tags ?? []).map((tag) => tag.tagName.text)
  }
}

/** A word or two are no sentence; where one introduces a list, it ends with a colon. */
const hasSentence = ({ text }: Doc): boolean => /\p{L}\s+\S[^]*[.:]/u.test(text)

const place = (node: ts.Node): string => {
  const file = node.getSourceFile()
  const { line } = file.getLineAndCharacterOfPosition(node.getStart())
  return `${relative(root, file.fileName)}:${line + 1}`
}

const issuesOf = (checker: ts.TypeChecker, symbol: ts.Symbol, name: string): ReadonlyArray<string> => {
  const declarations = symbol.declarations ?? []
  const docs = declarations.map(docOf)
  const issues = declarations.flatMap((declaration, index) => {
    const tags = docs[index]?.tags ?? []
    const missing = ["since", "category"].filter((tag) => !tags.includes(tag)).map((tag) => `@${tag}`)
    return missing.length === 0 ? [] : [`${place(declaration)} ${name}: no ${missing.join(", no ")}`]
  })
  // A type may be the twin of a value that has its name: one sentence does for both.
  if (!docs.some((doc) => doc !== undefined && hasSentence(doc))) {
    issues.push(`${place(declarations[0]!)} ${name}: no sentence`)
  }
  const members = declarations.some(ts.isModuleDeclaration) ? checker.getExportsOfModule(symbol) : []
  const inner = members.filter((member) => member.declarations?.some((_) => ts.isModuleBlock(_.parent)))
  return [...issues, ...inner.flatMap((member) => issuesOf(checker, member, `${name}.${member.name}`))]
}

/** What is missing, a line each. */
export const undocumented = (program: ts.Program, files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const checker = program.getTypeChecker()
  return files.flatMap((file) => {
    const source = program.getSourceFile(file)!
    const overview = /^\/\*\*[^]*?\*\//.exec(source.text)?.[0] ?? ""
    const issues = overview.includes("@since") && !overview.includes("@category")
      ? []
      : [`${relative(root, file)}:1: no comment on the module with @since`]
    const symbol = checker.getSymbolAtLocation(source)!
    const isBarrel = source.statements.every(ts.isExportDeclaration)
    const exported = isBarrel ? [] : checker.getExportsOfModule(symbol)
    return [...issues, ...exported.flatMap((one) => issuesOf(checker, one, one.name))]
  })
}
