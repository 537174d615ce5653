import assert from "node:assert/strict";
import { test } from "node:test";
import { isProblem, isTemporary, KakeuriProblem, storefront } from "../src/index.js";
import { baseUrl } from "./service.js";
import { ORDER, Shop } from "./shop.js";

async function problemOf(call: Promise<unknown>): Promise<KakeuriProblem> {
    const error: unknown = await call.then(() => undefined, (thrown: unknown) => thrown);
    assert.ok(error instanceof KakeuriProblem);
    return error;
}

test("a refused form says what is wrong with each field", async () => {
    const shop = await Shop.open();
    const body = { code: "CUP-1", name: "", unit_price: -1, tax_rate: 10 } as const;
    const problem = await problemOf(shop.staff.post("/v1/admin/products", { body }));
    assert.deepEqual([problem.status, problem.code, problem.name], [422, "invalid", "KakeuriProblem"]);
    assert.deepEqual(Object.keys(problem.fieldErrors()).sort(), ["/name", "/unit_price"]);
    const [fault] = problem.errors.filter(({ pointer }) => pointer === "/name");
    assert.deepEqual(problem.fieldErrors()["/name"], [fault?.message]);
    assert.match(problem.requestId ?? "", /^[0-9a-f-]{36}$/);
});

test("a problem speaks the client's language and keeps its code", async () => {
    const shop = await Shop.open();
    const ask = (language: "en" | "ja") => problemOf(shop.visitor({ language }).get("/v1/storefront/me"));
    const [en, ja] = [await ask("en"), await ask("ja")];
    assert.equal(en.title, "A token is needed");
    assert.equal(ja.title, "トークンがありません");
    assert.deepEqual([en.code, ja.code], ["token_missing", "token_missing"]);
});

test("an order that cannot be paid so says every reason", async () => {
    const shop = await Shop.open();
    const { email, password } = await shop.register();
    const buyer = shop.visitor();
    await buyer.logIn({ email, password });
    const problem = await problemOf(buyer.post("/v1/storefront/orders", { body: ORDER }));
    assert.ok(isProblem(problem, "paid_not_available", "price_changed"));
    assert.ok(!isProblem(problem, "price_changed"));
    assert.deepEqual(problem.reasons.map(({ code }) => code), ["not_approved"]);
    assert.equal(isTemporary(problem), false);
});

test("what a proxy answers is a problem without a code", async () => {
    const page = () => Promise.resolve(new Response("<h1>Bad Gateway</h1>", { status: 502 }));
    const shop = storefront({ baseUrl, publishableKey: "pk_", fetch: page, retries: 0 });
    const problem = await problemOf(shop.get("/v1/storefront/config"));
    assert.deepEqual([problem.code, problem.status, isTemporary(problem)], ["unknown", 502, true]);
});
