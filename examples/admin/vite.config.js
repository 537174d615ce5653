import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const service = process.env.KAKEURI_URL ?? "http://127.0.0.1:8080";
const proxy = { "/v1": service, "/examples/config.json": service };

export default defineConfig({
    base: "/examples/admin/",
    plugins: [react()],
    build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    server: { proxy },
    preview: { proxy },
});
