import assert from "node:assert/strict";
import { test } from "node:test";
import { ORDER, Shop } from "./shop.js";

test("an order whose payment is not known yet is followed until it is", async () => {
    const shop = await Shop.open();
    const buyer = await shop.buyer();
    await shop.fault({ operation: "register", kind: "drop_answer", times: 1 });
    const call = buyer.post("/v1/storefront/orders", { body: ORDER });
    const { data: first, response } = await call.withResponse();
    assert.deepEqual([response.status, first.payment?.status], [202, "processing"]);
    const seen: (string | undefined)[] = [];
    const last = await call.follow({ onUpdate: ({ payment }) => seen.push(payment?.status) });
    assert.deepEqual([last.id, last.payment?.status], [first.id, "unconfirmed"]);
    assert.equal(seen.at(-1), "unconfirmed");
    const read = await buyer.get("/v1/storefront/orders/{id}", { path: { id: first.id } }).follow();
    assert.deepEqual(read, last);
});

test("a confirmation whose answer gets lost at Paid is followed to its end", async () => {
    const shop = await Shop.open();
    const buyer = await shop.buyer();
    const { id } = await buyer.post("/v1/storefront/orders", { body: ORDER }).follow();
    await shop.fault({ operation: "fix", kind: "drop_answer", times: 1 });
    const call = shop.staff.post("/v1/admin/orders/{id}/payment/confirm", { path: { id }, body: {} });
    assert.equal((await call).payment?.open_operation?.action, "confirm");
    const { payment } = await call.follow();
    assert.deepEqual([payment?.status, payment?.open_operation], ["confirmed", null]);
});

test("a submission that Paid has not answered becomes a member who was submitted", async () => {
    const shop = await Shop.open();
    const { id } = await shop.register();
    await shop.fault({ operation: "apply", kind: "drop_answer", times: 1 });
    const call = shop.staff.post("/v1/admin/members/{id}/paid/application", { path: { id } });
    assert.equal((await call).outcome, "processing");
    const member = await call.follow();
    assert.deepEqual([member.id, member.paid.open_operation], [id, null]);
    assert.ok(member.paid.submitted_at);
});

test("a submission that Paid answers at once is its member without another look", async () => {
    const shop = await Shop.open();
    const { id } = await shop.register();
    const member = await shop.staff.post("/v1/admin/members/{id}/paid/application", { path: { id } }).follow();
    assert.deepEqual([member.id, member.paid.application_status], [id, "submitted"]);
});

test("a job is followed until it has ended", async () => {
    const shop = await Shop.open();
    await shop.buyer();
    const job = await shop.staff.post("/v1/admin/members/paid/refresh", { body: {} }).follow();
    assert.deepEqual([job.state, job.total, job.succeeded], ["succeeded", 1, 1]);
});

test("a file of members is taken over, and its job followed", async () => {
    const shop = await Shop.open();
    const columns = "company_name,contact_family_name,contact_given_name,email,phone";
    const body = new Blob([`${columns}\n株式会社みなと商会,佐藤,健一,minato@minato.example,045-000-1234\n`]);
    const job = await shop.staff.post("/v1/admin/members/import", { body }).follow();
    assert.deepEqual([job.state, job.succeeded], ["succeeded", 1]);
    const file = await shop.staff.get("/v1/admin/members/export");
    assert.match(await file.text(), /株式会社みなと商会/);
});

test("who follows for so long only, or gives up, is told so", async () => {
    const shop = await Shop.open();
    const buyer = await shop.buyer();
    await shop.fault({ operation: "register", kind: "drop_answer" });
    await shop.fault({ operation: "search", kind: "http_500" });
    const call = buyer.post("/v1/storefront/orders", { body: ORDER });
    await assert.rejects(call.follow({ timeout: 300 }), { name: "TimeoutError" });
    await assert.rejects(call.follow({ signal: AbortSignal.abort() }), { name: "AbortError" });
});
