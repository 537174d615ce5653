import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const service = "http://127.0.0.1:8080";

export default defineConfig({
    base: "/examples/storefront/",
    plugins: [react()],
    server: { proxy: { "/v1": service, "/examples/config.json": service } },
    // Whatever became part of the page as data: would be kept out by its Content-Security-Policy.
    build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
