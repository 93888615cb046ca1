import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "palaver-client": new URL("client/src/index.ts", import.meta.url).pathname } },
  test: { environment: "happy-dom", include: ["client/tests/**/*.test.ts", "web/tests/**/*.test.ts"] },
});
