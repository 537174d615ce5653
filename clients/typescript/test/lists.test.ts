import assert from "node:assert/strict";
import { test } from "node:test";
import { admin } from "../src/index.js";
import { baseUrl } from "./service.js";
import { Shop } from "./shop.js";
import { wire } from "./wires.js";

test("each row of a list comes once, over all its pages", async () => {
    const shop = await Shop.open();
    for (const code of ["TEA-101", "TEA-102", "TEA-103", "TEA-104"]) await shop.product(code);
    const noted = wire();
    const staff = admin({ baseUrl, fetch: noted.fetch });
    await staff.logIn(shop.owner);
    const codes: string[] = [];
    for await (const { code } of staff.each("/v1/admin/products", { query: { limit: 2 } })) codes.push(code);
    assert.deepEqual(codes, ["TEA-104", "TEA-103", "TEA-102", "TEA-101", "TEA-100"]);
    assert.equal(noted.sent.filter(({ path }) => path === "/v1/admin/products").length, 3);
});

test("whoever leaves the loop asks for no further page", async () => {
    const shop = await Shop.open();
    await shop.product("TEA-101");
    const noted = wire();
    const visitor = shop.visitor({ fetch: noted.fetch });
    for await (const { code } of visitor.each("/v1/storefront/products", { query: { limit: 1 } })) {
        assert.equal(code, "TEA-101");
        break;
    }
    assert.equal(noted.sent.length, 1);
});

test("the log of events is read up to now, though its cursor never ends", async () => {
    const shop = await Shop.open();
    await shop.product("TEA-101");
    const query = { type: "product.created", limit: 1 } as const;
    let events = 0;
    for await (const { type } of shop.staff.each("/v1/admin/events", { query })) {
        assert.equal(type, "product.created");
        events++;
    }
    assert.equal(events, 2);
});
