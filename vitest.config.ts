import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-gptalk$/, replacement: new URL("./src/index.ts", import.meta.url).pathname },
      { find: /^effect-gptalk\/(.*)$/, replacement: new URL("./src", import.meta.url).pathname + "/$1.ts" }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Loading Effect anew for each file takes as long as many of the tests, and most of these wait for the clock.
    isolate: false,
    maxWorkers: "100%",
    testTimeout: 30_000
  }
})
