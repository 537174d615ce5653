// What the compiler has to see, and what it has to refuse. Compiled, never run.
import type { Admin, AdminClient, Code, Storefront, StorefrontClient, verifyWebhook } from "../src/index.js";
import { isProblem } from "../src/index.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(_?: T): void => undefined;

export async function aStorefront(shop: StorefrontClient): Promise<void> {
    const order = await shop.get("/v1/storefront/orders/{id}", { path: { id: "1" } });
    holds<Same<typeof order, Storefront.Order>>();
    const body: Storefront.OrderIn = { payment_method: "paid", lines: [] };
    const { data, etag } = await shop.post("/v1/storefront/orders", { body }).withResponse();
    holds<Same<typeof data, Storefront.Order>>();
    holds<Same<typeof etag, string | undefined>>();
    const nothing = await shop.post("/v1/storefront/password", { body: { token: "t", password: "p" } });
    holds<Same<typeof nothing, undefined>>();
    for await (const product of shop.each("/v1/storefront/products")) holds<Same<typeof product, Storefront.Product>>();
    await shop.patch("/v1/storefront/me", { body: { fax: null }, ifMatch: "e" });
    // @ts-expect-error no such path
    await shop.get("/v1/storefront/order");
    // @ts-expect-error the path has an id
    await shop.get("/v1/storefront/orders/{id}");
    // @ts-expect-error there is no other method
    await shop.delete("/v1/storefront/me");
    // @ts-expect-error the path is the admin's
    await shop.get("/v1/admin/orders");
    // @ts-expect-error an unknown field
    await shop.post("/v1/storefront/orders/quote", { body: { lines: [], line: 1 } });
    // @ts-expect-error a word that is none
    await shop.post("/v1/storefront/orders", { body: { payment_method: "cash", lines: [] } });
    // @ts-expect-error an order has lines
    await shop.post("/v1/storefront/orders", { body: { payment_method: "paid" } });
    // @ts-expect-error a read has no key
    await shop.get("/v1/storefront/config", { idempotencyKey: "k" });
    // @ts-expect-error a misspelt option
    await shop.get("/v1/storefront/products", { querry: {} });
    // @ts-expect-error not a list
    shop.each("/v1/storefront/config");
    // @ts-expect-error a storefront has no streams
    shop.stream("/v1/admin/events/stream");
    // @ts-expect-error a buyer has no second factor
    await shop.logIn({ email: "e", password: "p", totp: "1" });
    // @ts-expect-error buyers do not see the shop's note
    void order.internal_note;
}

export async function anAdmin(shop: AdminClient): Promise<void> {
    const page = await shop.get("/v1/admin/members", { query: { status: "active", limit: 10 } });
    holds<Same<typeof page, Admin.MemberList>>();
    const csv = await shop.get("/v1/admin/orders/export", { query: { lang: "ja" } });
    holds<Same<typeof csv, Blob>>();
    const path = { id: "1" };
    const member = await shop.post("/v1/admin/members/{id}/paid/application", { path, ifMatch: "e" }).follow();
    holds<Same<typeof member, Admin.Member>>();
    const job = await shop.post("/v1/admin/members/import", { body: new Blob(), query: { dry_run: true } }).follow();
    holds<Same<typeof job, Admin.Job>>();
    await shop.logIn({ store: "s", email: "e", password: "p", totp: "123456" });
    for await (const event of shop.each("/v1/admin/events")) holds<Same<typeof event, Admin.Event>>();
    for await (const { type, data } of shop.stream("/v1/admin/jobs/{id}/stream", { path, lastEventId: "3" })) {
        holds<Same<typeof type, "progress" | "finished">>();
        holds<Same<typeof data, Admin.Job>>();
    }
    for await (const { type, data } of shop.stream("/v1/admin/events/stream", { query: { type: "order.placed" } })) {
        holds<Same<typeof type, Admin.EventType>>();
        holds<Same<typeof data.data, Record<string, unknown>>>();
        // @ts-expect-error no such event
        if (type === "order.lost") return;
    }
    // @ts-expect-error the store is missing
    await shop.logIn({ email: "e", password: "p" });
    // @ts-expect-error a stream is read by `stream`
    await shop.get("/v1/admin/events/stream");
    // @ts-expect-error this is no stream
    shop.stream("/v1/admin/jobs");
    // @ts-expect-error one page has it all
    shop.each("/v1/admin/issuers");
    // @ts-expect-error no such status
    await shop.get("/v1/admin/members", { query: { status: "asleep" } });
    // @ts-expect-error no such parameter
    await shop.get("/v1/admin/members", { query: { state: "active" } });
    // @ts-expect-error the job's id is missing
    shop.stream("/v1/admin/jobs/{id}/stream");
}

export function aProblem(error: unknown): string[] | undefined {
    holds<Same<Storefront.Code, Admin.Code>>();
    if (isProblem(error, "stale", "busy")) holds<Same<typeof error.code, "stale" | "busy">>();
    else if (isProblem(error)) holds<Same<typeof error.code, Code>>();
    // @ts-expect-error no such code
    else if (isProblem(error, "stael")) return;
    return isProblem(error) ? error.fieldErrors()["/email"] : undefined;
}

export function aWebhook(event: Awaited<ReturnType<typeof verifyWebhook>>): void {
    if (event.type === "payment.confirmed") holds<Same<typeof event.data.resource, Admin.Order | null>>();
    if (event.type === "product.deleted") holds<Same<typeof event.data.resource, Admin.Product | null>>();
    if (event.type === "webhook.test") holds<Same<typeof event.data.resource, null>>();
    // @ts-expect-error a program that may not read the log is not told who it was
    holds<Same<typeof event.data.actor, string>>();
}

export async function aDryRun(shop: AdminClient, dry_run: boolean): Promise<void> {
    const path = { id: "1" };
    const order = await shop.post("/v1/admin/orders/{id}/payment/confirm", { path, body: {} });
    holds<Same<typeof order, Admin.Order>>();
    const told = await shop.post("/v1/admin/orders/{id}/payment/confirm", { path, body: {}, query: { dry_run: true } });
    holds<Same<typeof told, Admin.DryRun>>();
    const either = await shop.post("/v1/admin/orders/{id}/payment/confirm", { path, body: {}, query: { dry_run } });
    holds<Same<typeof either, Admin.DryRun | Admin.Order>>();
}
