/**
 * The programs that stand in documentation: `@example`s of doc comments and ```ts blocks of Markdown.
 */
import { readFileSync } from "node:fs"
import { join, relative } from "node:path"
import ts from "typescript"
import { root } from "./modules.js"

export interface Example {
  /** Where it was found, relative to the repository. */
  readonly file: string
  /** The line of that file, from 0, that its first line is. */
  readonly line: number
  readonly code: string
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length - 1

/** Everything from an `@example` to the next tag or the end of its comment. */
export const ofComments = (path: string): ReadonlyArray<Example> => {
  const text = readFileSync(path, "utf8")
  const file = relative(root, path)
  return Array.from(text.matchAll(/^[ \t]*\/\*\*[^]*?\*\//gm)).flatMap((comment) => {
    const first = lineAt(text, comment.index)
    const lines = comment[0].replace(/\*\/$/, "").split("\n").map((line) => line.replace(/^\s*\/?\*+ ?/, ""))
    return lines.flatMap((line, index) => {
      if (!line.startsWith("@example")) return []
      const rest = lines.slice(index + 1)
      const end = rest.findIndex((line) => line.startsWith("@"))
      const code = (end < 0 ? rest : rest.slice(0, end)).map((line) => line.startsWith("```") ? "" : line)
      return [{ file, line: first + index + 1, code: code.join("\n") }]
    })
  })
}

const block = /^```(?:ts|typescript)\b.*\n([^]*?)^```/gm

export const ofMarkdown = (path: string): ReadonlyArray<Example> => {
  const text = readFileSync(path, "utf8")
  return Array.from(text.matchAll(block), (match) => ({
    file: relative(root, path),
    line: lineAt(text, match.index) + 1,
    code: match[1]!
  }))
}

/** One program of all examples, each a module of its own in `examples/`, and of the files beside them. */
export const programOf = (
  examples: ReadonlyArray<Example>,
  files: ReadonlyArray<string>
): { readonly program: ts.Program; readonly issues: () => ReadonlyArray<string> } => {
  const modules = new Map(
    examples.map((example, index) => [join(root, "examples", `documentation-${index}.ts`), example])
  )
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root)
  options.noUnusedLocals = false
  options.noUnusedParameters = false
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (path) => modules.has(path) || fileExists(path)
  host.readFile = (path) => modules.get(path)?.code ?? readFile(path)
  host.getSourceFile = (path, target, ...rest) => {
    const example = modules.get(path)
    return example ? ts.createSourceFile(path, example.code, target, true) : getSourceFile(path, target, ...rest)
  }
  const program = ts.createProgram({ rootNames: [...modules.keys(), ...files], options, host })

  const issuesOf = (path: string, { file, line }: Example): ReadonlyArray<string> => {
    const source = program.getSourceFile(path)!
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    return diagnostics.map(({ messageText, start = 0 }) => {
      const at = line + source.getLineAndCharacterOfPosition(start).line + 1
      return `${file}:${at} ${ts.flattenDiagnosticMessageText(messageText, "\n  ")}`
    })
  }
  return { program, issues: () => Array.from(modules).flatMap(([path, example]) => issuesOf(path, example)) }
}
