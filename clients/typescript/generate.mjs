// Writes the types of the published documents to src/generated/. With --check it compares instead, and fails where they
// are not what would be written.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const cwd = fileURLToPath(new URL(".", import.meta.url));
const options = [
    // Every schema is a type with a name of its own.
    "--root-types",
    "--root-types-no-schema-prefix",
    "--root-types-keep-casing",
    // An object of which nothing is said may have any fields.
    "--empty-objects-unknown",
    ...process.argv.slice(2),
];
for (const api of ["storefront", "admin"]) {
    const files = [`../../openapi/${api}.json`, "--output", `src/generated/${api}.ts`];
    const command = ["--no-install", "openapi-typescript", ...files, ...options];
    const { status } = spawnSync("npx", command, { cwd, stdio: ["ignore", "ignore", "inherit"] });
    process.exitCode ||= status ?? 1;
}
