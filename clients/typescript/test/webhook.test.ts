import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { test, type TestContext } from "node:test";
import { verifyWebhook, WebhookVerificationError } from "../src/index.js";
import { until } from "./service.js";
import { Shop } from "./shop.js";

type Delivery = { headers: IncomingHttpHeaders; body: string };

/** A receiver on this machine, and a webhook of the shop that is sent to it. */
async function receiver(t: TestContext, shop: Shop): Promise<{ id: string; secret: string; deliveries: Delivery[] }> {
    const deliveries: Delivery[] = [];
    const server = createServer((request, response) => {
        let body = "";
        request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        request.on("end", () => {
            deliveries.push({ headers: request.headers, body });
            response.writeHead(204).end();
        });
    }).listen(0, "127.0.0.1");
    t.after(() => server.close().closeAllConnections());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const body = { url: `http://127.0.0.1:${port}/`, events: ["product.created"] as ["product.created"] };
    const { id, secret } = await shop.staff.post("/v1/admin/webhooks", { body });
    return { id, secret, deliveries };
}

async function delivered(t: TestContext): Promise<Delivery & { secret: string }> {
    const shop = await Shop.open();
    const { secret, deliveries } = await receiver(t, shop);
    await shop.product("CUP-1");
    const delivery = await until("the event is delivered", () => deliveries[0]);
    return { ...delivery, secret };
}

test("what the service sends is read as what it is", async (t) => {
    const { secret, headers, body } = await delivered(t);
    const event = await verifyWebhook(body, headers, secret);
    assert.equal(event.type, "product.created");
    assert.deepEqual([event.data.subject.type, event.data.resource?.code], ["product", "CUP-1"]);
    assert.equal(event.data.id, headers["webhook-id"]);
});

test("headers and body may be those of a Request", async (t) => {
    const { secret, headers, body } = await delivered(t);
    const sent = { method: "POST", body, headers: headers as Record<string, string> };
    const request = new Request("http://localhost/", sent);
    const event = await verifyWebhook(new Uint8Array(await request.arrayBuffer()), request.headers, secret);
    assert.equal(event.type, "product.created");
});

test("a body that was changed, another time, another id and another secret are refused", async (t) => {
    const { secret, headers, body } = await delivered(t);
    const refused = async (...message: Parameters<typeof verifyWebhook>) =>
        assert.rejects(verifyWebhook(...message), WebhookVerificationError);
    await refused(body.replace("CUP-1", "CUP-2"), headers, secret);
    await refused(body, { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) }, secret);
    await refused(body, { ...headers, "webhook-id": "another" }, secret);
    await refused(body, headers, `whsec_${btoa("another secret of thirty-two byte")}`);
    await refused(body, {}, secret);
    await refused(body, { ...headers, "webhook-signature": "v1,AAAA v1a,!" }, secret);
});

test("an old message is refused, unless its age is allowed", async (t) => {
    const { secret, headers, body } = await delivered(t);
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const signedAt = (time: number) => {
        const signed = `${String(headers["webhook-id"])}.${time}.${body}`;
        const signature = createHmac("sha256", key).update(signed).digest("base64");
        return { ...headers, "webhook-timestamp": `${time}`, "webhook-signature": `v1,${signature}` };
    };
    const now = Math.floor(Date.now() / 1000);
    for (const time of [now - 310, now + 310, NaN])
        await assert.rejects(verifyWebhook(body, signedAt(time), secret), WebhookVerificationError);
    assert.equal((await verifyWebhook(body, signedAt(now - 290), secret)).type, "product.created");
    assert.equal((await verifyWebhook(body, signedAt(now - 310), secret, { tolerance: 600 })).type, "product.created");
});

test("while the secret is changed over, both are good; later the new one alone", async (t) => {
    const shop = await Shop.open();
    const { id, secret, deliveries } = await receiver(t, shop);
    const rotate = (overlap_minutes: number) =>
        shop.staff.post("/v1/admin/webhooks/{id}/rotate-secret", { path: { id }, body: { overlap_minutes } });
    const { secret: second } = await rotate(60);
    await shop.product("CUP-1");
    const both = await until("the event is delivered", () => deliveries[0]);
    for (const good of [secret, second, [second, secret], ["whsec_AAAA", secret]])
        assert.equal((await verifyWebhook(both.body, both.headers, good)).type, "product.created");
    const { secret: third } = await rotate(0);
    await shop.product("CUP-2");
    const one = await until("the event is delivered", () => deliveries[1]);
    assert.equal((await verifyWebhook(one.body, one.headers, [third, second])).type, "product.created");
    await assert.rejects(verifyWebhook(one.body, one.headers, [secret, second]), WebhookVerificationError);
});

test("a trial is told apart by its type", async (t) => {
    const shop = await Shop.open();
    const { id, secret, deliveries } = await receiver(t, shop);
    const delivery = await shop.staff.post("/v1/admin/webhooks/{id}/test", { path: { id } });
    assert.equal(delivery.state, "delivered");
    const [{ body, headers } = { body: "", headers: {} }] = deliveries;
    const event = await verifyWebhook(body, headers, secret);
    assert.deepEqual([event.type, event.data.resource], ["webhook.test", null]);
});
