import { defineConfig } from "vitest/config"

/** Counts the sockets and timers of its process. */
const countsResources = "test/Bounds.test.ts"

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-gptalk$/, replacement: new URL("./src/index.ts", import.meta.url).pathname },
      { find: /^effect-gptalk\/(.*)$/, replacement: new URL("./src", import.meta.url).pathname + "/$1.ts" }
    ]
  },
  test: {
    // Most tests wait for the clock.
    maxWorkers: "100%",
    // Loading Effect anew for each file would take as long as many of the tests.
    isolate: false,
    testTimeout: 30_000,
    projects: [
      { extends: true, test: { name: "together", include: ["test/**/*.test.ts"], exclude: [countsResources] } },
      { extends: true, test: { name: "alone", include: [countsResources], isolate: true } }
    ]
  }
})
