// A service of our own with its sandbox of Paid: begun with the first test, ended after the last.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";

/** How long an access token is good, in seconds. */
export const TOKEN_TTL = 3;

const binary = process.env["KAKEURI_BIN"] ?? "";
if (!binary) throw new Error("KAKEURI_BIN has to name the binary of the service");
const data = mkdtempSync(join(tmpdir(), "kakeuri-client-"));
// The database may run as another user.
chmodSync(data, 0o755);
const address = `127.0.0.1:${await freePort()}`;
const sandboxAddress = `127.0.0.1:${await freePort()}`;
const inherited = Object.entries(process.env).filter(([name]) => !/^(KAKEURI_|DATABASE_URL)/.test(name));
const env = {
    ...Object.fromEntries(inherited),
    KAKEURI_DATA_DIR: data,
    KAKEURI_LISTEN: address,
    KAKEURI_SANDBOX_LISTEN: sandboxAddress,
    KAKEURI_METRICS_LISTEN: "off",
    KAKEURI_RATE_LIMITS: "off",
    KAKEURI_WEBHOOK_ALLOW_PRIVATE: "on",
    KAKEURI_PAID_WAIT: "1s",
    KAKEURI_RETRY_SCALE: "0.02",
    KAKEURI_TOKEN_TTL: `${TOKEN_TTL}s`,
    KAKEURI_DEMO: "off",
    RUST_LOG: "error",
};

export const baseUrl = `http://${address}`;
export const sandboxUrl = `http://${sandboxAddress}/_sandbox`;

const service = spawn(binary, ["serve"], { env, stdio: ["ignore", "ignore", "inherit"] });
after(async () => {
    service.kill();
    if (service.exitCode === null) await once(service, "exit");
    rmSync(data, { recursive: true, force: true });
});
await until("the service is ready", async () => {
    if (service.exitCode !== null) throw new Error("the service did not start");
    return (await fetch(`${baseUrl}/readyz`).catch(() => undefined))?.ok;
});

/** What a command of the service prints. */
export async function kakeuri(...command: string[]): Promise<string> {
    return (await promisify(execFile)(binary, command, { env })).stdout;
}

type Look<T> = T | false | undefined;

/** Looks until something holds, for twenty seconds, and gives what was found. */
export async function until<T>(what: string, look: () => Look<T> | Promise<Look<T>>): Promise<T> {
    for (const end = Date.now() + 20_000; Date.now() < end; ) {
        const found = await look();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`waited in vain: ${what}`);
}

async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    server.close();
    if (typeof bound !== "object" || !bound) throw new Error("no port");
    return bound.port;
}
