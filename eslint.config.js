import effectEslint from "@effect/eslint-plugin"
import tseslint from "typescript-eslint"

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**"] },
  ...tseslint.configs.recommended,
  {
    plugins: { "@effect": effectEslint },
    rules: {
      "@effect/dprint": ["error", {
        config: {
          indentWidth: 2,
          lineWidth: 120,
          semiColons: "asi",
          quoteStyle: "alwaysDouble",
          trailingCommas: "never",
          operatorPosition: "maintain",
          "arrowFunction.useParentheses": "force"
        }
      }],
      "@typescript-eslint/array-type": ["error", { default: "generic", readonly: "generic" }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-empty-object-type": "off",
      // Code is the formatter's business, which leaves comments as they are.
      "max-len": ["error", { code: 1000, comments: 120, ignoreUrls: true }],
      "no-restricted-globals": ["error", "Buffer"],
      "object-shorthand": "error"
    }
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-imports": ["error", {
        patterns: [
          { regex: "^node:", message: "The core runs wherever fetch does." },
          { regex: "^(effect|@effect/platform)$", message: "Import the module itself: effect/Effect." }
        ]
      }]
    }
  },
  { files: ["test/**/*.ts", "examples/**/*.ts"], rules: { "no-restricted-globals": "off" } }
)
