import { svelte, vitePreprocess } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** The design system declares ten faces in two formats each; src/style.css declares the three that the page uses. */
function ownFontFaces(): Plugin {
  return {
    name: "own-font-faces",
    enforce: "pre",
    transform(code, id) {
      return /@gouvfr\/dsfr\/dist\/core\/.*\.css$/.test(id) ? code.replace(/@font-face\s*\{[^}]*\}/g, "") : undefined;
    },
  };
}

export default defineConfig({
  plugins: [ownFontFaces(), svelte({ preprocess: vitePreprocess({ script: false }) })],
  build: {
    // Windows 10's WebView2 keeps itself fresh; WebKitGTK is Debian 12's.
    target: "safari16",
    // The page's security policy knows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: false,
    // A page for each window.
    rolldownOptions: { input: ["index.html", "connect.html"] },
  },
  resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
});
