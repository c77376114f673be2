/**
 * `npm run docs`: every export has a doc comment, and every program in a comment or in the README type-checks.
 */
import { join } from "node:path"
import { ofComments, ofMarkdown, programOf } from "./examples.js"
import { undocumented } from "./exports.js"
import { publicModules, root } from "./modules.js"
import { finish, insist, verify } from "./report.js"

const none = (issues: ReadonlyArray<string>) => insist(issues.length === 0, issues.join("\n"))

const sources = ["index", ...publicModules].map((module) => join(root, "src", `${module}.ts`))
const readme = join(root, "README.md")

const programs = [...sources.flatMap(ofComments), ...ofMarkdown(readme)]
const { issues, program } = programOf(programs, sources)

await verify("every export has a doc comment", () => none(undocumented(program, sources)))
await verify(`${programs.length} examples type-check`, () => none(issues()))
finish()
