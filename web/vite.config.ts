import { defineConfig } from "vite";

// Nothing inline and nothing from elsewhere: the server allows only its own files.
export default defineConfig({
  base: "./", // the server may be behind a proxy, below a path
  resolve: { alias: { "palaver-client": new URL("../client/src/index.ts", import.meta.url).pathname } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "live.html"] },
  },
  server: {
    proxy: { "/demo": "http://127.0.0.1:3300", "/socket.io": { target: "http://127.0.0.1:3300", ws: true } },
  },
});
