// A service of one's own with its demo store, and a browser to look at it with.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const axe = readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** The screens that everything has to fit. */
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/**
 * Starts the service that `KAKEURI_BIN` names, with a sandbox of Paid, a demo store and the built examples. `settings`
 * are further variables of its environment.
 */
export async function startShop(settings = {}) {
    const binary = process.env.KAKEURI_BIN;
    assert.ok(binary, "KAKEURI_BIN has to name the binary of the service");
    const data = mkdtempSync(join(tmpdir(), "kakeuri-web-"));
    // The database may run as another user.
    chmodSync(data, 0o755);
    const examples = join(data, "examples");
    mkdirSync(examples);
    for (const name of ["admin", "storefront"]) {
        const built = join(root, "examples", name, "dist");
        if (existsSync(built)) cpSync(built, join(examples, name), { recursive: true });
    }
    const listen = `127.0.0.1:${await freePort()}`;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(KAKEURI_|DATABASE_URL)/.test(name));
    const env = {
        ...Object.fromEntries(inherited),
        KAKEURI_DATA_DIR: join(data, "service"),
        KAKEURI_LISTEN: listen,
        KAKEURI_SANDBOX_LISTEN: `127.0.0.1:${await freePort()}`,
        KAKEURI_METRICS_LISTEN: "off",
        KAKEURI_RATE_LIMITS: "off",
        KAKEURI_EXAMPLES_DIR: examples,
        RUST_LOG: "error",
        ...settings,
    };
    const service = spawn(binary, ["serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => service.once("exit", resolve));
    let printed = "";
    service.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
    const stop = async () => {
        service.kill();
        await ended;
        rmSync(data, { recursive: true, force: true });
    };
    try {
        // The last line that a start prints.
        await until("the service is ready", () => {
            assert.equal(service.exitCode, null, "the service did not start");
            return /^ *member +ey/m.test(printed);
        }, 120);
    } catch (error) {
        await stop();
        throw error;
    }
    const line = (name) => new RegExp(`^ *${name} +(.+)$`, "m").exec(printed)?.[1] ?? "";
    const url = `http://${listen}`;
    const [, sandboxUrl, authCode] = /^(.*\/_sandbox)\/([^/]+)\//.exec(line("in the sandbox")) ?? [];
    const tokens = printed.slice(printed.indexOf("\nTokens"));
    return {
        url,
        storefront: `${url}/examples/storefront/`,
        admin: `${url}/examples/admin/`,
        publishableKey: line("publishable key"),
        staff: line("staff").split(", "),
        member: line("member"),
        password: line("password of all"),
        ownerToken: /^ *owner +(ey\S+)$/m.exec(tokens)?.[1],
        memberToken: /^ *member +(ey\S+)$/m.exec(tokens)?.[1],
        sandboxUrl,
        authCode,
        /** The sandbox's control interface: `sandbox("POST", "/faults", { … })`. */
        sandbox: (method, path, body) => call(method, `${sandboxUrl}/${authCode}${path}`, {}, body),
        /** The admin API as the owner: `asOwner("GET", "/members")`. */
        asOwner(method, path, body, headers = {}) {
            const token = { Authorization: `Bearer ${this.ownerToken}`, ...headers };
            return call(method, `${url}/v1/admin${path}`, token, body);
        },
        stop,
    };
}

async function call(method, url, headers, body) {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(url, { method, headers: { "Content-Type": "application/json", ...headers }, ...sent });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
}

/** Looks until something holds, for twenty seconds unless said otherwise, and gives what was found. */
export async function until(what, look, seconds = 20) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
        const found = await look();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`waited in vain: ${what}`);
}

/** Debian's Chromium, or the one that `KAKEURI_CHROMIUM` names. */
export function openBrowser() {
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    return chromium.launch({ executablePath: process.env.KAKEURI_CHROMIUM ?? "/usr/bin/chromium", args });
}

/**
 * A page with a profile of its own, for one test. The test fails if the page writes an error to the console, throws, or
 * gets an answer that is an error and whose status is not among those `expected`. What else is given is for
 * `browser.newContext`.
 */
export async function openPage(t, browser, { expected = [], ...options } = {}) {
    const context = await browser.newContext({ viewport: DESKTOP, locale: "ja-JP", timezoneId: "Asia/Tokyo", ...options });
    context.setDefaultTimeout(20_000);
    const faults = [];
    const watch = (page) => {
        page.on("pageerror", (error) => faults.push(`thrown: ${error.stack ?? error}`));
        page.on("console", (message) => {
            // What was answered is looked at below.
            if (message.type() !== "error" || message.text().startsWith("Failed to load resource")) return;
            faults.push(`console: ${message.text()}`);
        });
        page.on("requestfailed", (request) => {
            // Whoever leaves a page gives up what it still asks for.
            const reason = request.failure()?.errorText;
            if (reason !== "net::ERR_ABORTED") faults.push(`${request.method()} ${request.url()}: ${reason}`);
        });
        page.on("response", (response) => {
            const status = response.status();
            if (status < 400 || expected.includes(status)) return;
            faults.push(`${response.request().method()} ${response.url()}: ${status}`);
        });
    };
    context.on("page", watch);
    t.after(async () => {
        await context.close();
        if (faults.length) assert.fail(faults.join("\n"));
    });
    return context.newPage();
}

/** Nothing that axe finds keeps anybody from using the page, and nothing of it is wider than the screen. */
export async function noViolations(page) {
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
        // What fades in is looked at when it is there.
        const passing = document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime !== Infinity);
        await Promise.all(passing.map((animation) => animation.finished.catch(() => undefined)));
        const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
        const told = violations.flatMap(({ id, help, nodes }) =>
            nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
        );
        const { scrollWidth, clientWidth } = document.documentElement;
        return scrollWidth > clientWidth ? [...told, `${scrollWidth}px wide on a screen of ${clientWidth}px`] : told;
    });
    if (found.length) assert.fail([page.url(), ...found].join("\n\n"));
}

/** Keeps a picture of the page in `docs/screenshots` where `KAKEURI_SCREENSHOTS=1` asks for it. */
export async function screenshot(page, name) {
    if (process.env.KAKEURI_SCREENSHOTS !== "1") return;
    const path = join(root, "docs/screenshots", `${name}.png`);
    await page.screenshot({ path, animations: "disabled", caret: "hide" });
}

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    server.close();
    return port;
}
