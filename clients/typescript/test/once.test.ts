import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { admin, type Code, ConnectionError, isProblem, storefront } from "../src/index.js";
import { baseUrl } from "./service.js";
import { ORDER, Shop } from "./shop.js";
import { answeringOnce, losing, type Wire, wire } from "./wires.js";

const ORDERS = "/v1/storefront/orders";

function keysOf({ sent }: Wire): (string | null)[] {
    return sent.filter(({ method, path }) => method === "POST" && path === ORDERS).map(({ key }) => key);
}

function problem(status: number, code: Code, headers: Record<string, string> = {}): Response {
    const told = { ...headers, "Content-Type": "application/problem+json" };
    return new Response(JSON.stringify({ status, code }), { status, headers: told });
}

test("an order whose answer is lost is placed once, under one key", async () => {
    const shop = await Shop.open();
    const lossy = losing("POST", ORDERS);
    const buyer = await shop.buyer({ fetch: lossy.fetch });
    const { data: placed, response } = await buyer.post(ORDERS, { body: ORDER }).withResponse();
    assert.equal(response.headers.get("Idempotency-Replayed"), "true");
    const keys = keysOf(lossy);
    assert.equal(keys.length, 2);
    assert.match(keys[0] ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(keys[0], keys[1]);
    const all = await shop.staff.get("/v1/admin/orders");
    assert.deepEqual(all.data.map(({ id }) => id), [placed.id]);
});

test("two orders have two keys, and a key of one's own is the one that is sent", async () => {
    const shop = await Shop.open();
    const noted = wire();
    const buyer = await shop.buyer({ fetch: noted.fetch });
    const first = await buyer.post(ORDERS, { body: ORDER });
    const second = await buyer.post(ORDERS, { body: ORDER });
    assert.notEqual(first.id, second.id);
    const own = { body: ORDER, idempotencyKey: "cart-7" };
    const third = await buyer.post(ORDERS, own);
    const again = await buyer.post(ORDERS, own);
    assert.equal(third.id, again.id);
    const keys = keysOf(noted);
    assert.equal(new Set(keys.slice(0, 2)).size, 2);
    assert.deepEqual(keys.slice(2), ["cart-7", "cart-7"]);
});

for (const [status, code, headers] of [
    [503, "busy", { "Retry-After": "1" }],
    [429, "rate_limited", { "Retry-After": "1" }],
    [409, "request_in_progress", { "Retry-After": "1" }],
    [503, "unavailable", {}],
] as const)
    test(`a ${status} ${code} is waited out, and the call repeated under its key`, async () => {
        const shop = await Shop.open();
        const busy = answeringOnce(() => problem(status, code, headers));
        const token = shop.staff.session?.accessToken ?? "";
        const began = Date.now();
        const staff = admin({ baseUrl, token, fetch: busy.fetch });
        const body = { code: "CUP-1", name: "湯呑", unit_price: 900, tax_rate: 10 } as const;
        assert.equal((await staff.post("/v1/admin/products", { body })).code, "CUP-1");
        const [first, second] = busy.sent.map(({ key }) => key);
        assert.ok(first);
        assert.deepEqual([second, busy.sent.length], [first, 2]);
        if ("Retry-After" in headers) assert.ok(Date.now() - began >= 1000);
    });

test("whoever would have to wait too long is told so at once", async () => {
    const shop = await Shop.open();
    const limited = answeringOnce(() => problem(429, "rate_limited", { "Retry-After": "3600" }));
    const visitor = shop.visitor({ fetch: limited.fetch });
    const call = visitor.post("/v1/storefront/password-resets", { body: { email: "buyer@umikaze.example" } });
    await assert.rejects(call, (error) => isProblem(error, "rate_limited") && error.retryAfter === 3600);
    assert.equal(limited.sent.length, 1);
});

test("a change without a key is not repeated, and what got no answer is a ConnectionError", async () => {
    const shop = await Shop.open();
    const member = await shop.register();
    const path = `/v1/admin/members/${member.id}`;
    const lossy = losing("PATCH", path);
    const staff = admin({ baseUrl, fetch: lossy.fetch });
    await staff.logIn(shop.owner);
    const change = staff.patch("/v1/admin/members/{id}", { path: { id: member.id }, body: { building: "3F" } });
    await assert.rejects(change, ConnectionError);
    assert.equal(lossy.sent.filter(({ method }) => method === "PATCH").length, 1);
});

test("a service that is not there is tried as often as is said", async () => {
    let tried = 0;
    const fetch = () => Promise.reject(new TypeError(`refused ${++tried}`));
    const shop = storefront({ baseUrl, publishableKey: "pk_", fetch, retries: 1 });
    await assert.rejects(shop.get("/v1/storefront/config"), (error) => {
        return error instanceof ConnectionError && (error.cause as Error).message === "refused 2";
    });
});

test("who gives up while a call is waiting is not kept", async () => {
    const fetch = () => Promise.reject(new TypeError("the network is down"));
    const shop = storefront({ baseUrl, publishableKey: "pk_", fetch, retries: 50 });
    const call = shop.get("/v1/storefront/config", { signal: AbortSignal.timeout(100) });
    await assert.rejects(call, { name: "TimeoutError" });
});

for (const api of ["storefront", "admin"] as const)
    test(`each POST of the ${api} API is sent with a key exactly where its document has one`, async () => {
        const document = JSON.parse(readFileSync(`../../openapi/${api}.json`, "utf8")) as {
            paths: Record<string, { post?: { parameters?: { name: string }[] } }>;
        };
        const noted: Record<string, boolean> = {};
        const fetch = (request: Request) => {
            noted[new URL(request.url).pathname] = request.headers.has("Idempotency-Key");
            return Promise.resolve(new Response(null, { status: 204 }));
        };
        const post = admin({ baseUrl, token: "any", fetch }).post as unknown as (path: string) => Promise<void>;
        const documented: Record<string, boolean> = {};
        for (const [path, { post: operation }] of Object.entries(document.paths)) {
            if (!operation) continue;
            const address = path.replaceAll(/[{}]/g, "");
            documented[address] = operation.parameters?.some(({ name }) => name === "Idempotency-Key") ?? false;
            await post(address);
        }
        assert.deepEqual(noted, documented);
    });
