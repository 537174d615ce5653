// A front end in miniature: twenty operations, typed by the published documents. It is compiled, never run.
import createClient from "openapi-fetch";
import type { paths as Admin } from "./admin";
import type { paths as Storefront } from "./storefront";

const admin = createClient<Admin>({ baseUrl: "http://127.0.0.1:8080" });
const shop = createClient<Storefront>({ baseUrl: "http://127.0.0.1:8080" });
const keyed = { "Idempotency-Key": "7d8f6c1e-0b8c-4a55-9a3e-5a1f0f6f2f10" };

export async function visit(): Promise<string> {
    const config = await shop.GET("/v1/storefront/config");
    const products = await shop.GET("/v1/storefront/products", { params: { query: { limit: 20 } } });
    const codes: string[] = products.data?.data.map((product) => product.code) ?? [];
    await shop.POST("/v1/storefront/members", {
        body: {
            company_name: "株式会社みなと商会",
            contact: { family_name: "佐藤", given_name: "健一" },
            email: "buyer@minato.example",
            phone: "045-000-1234",
            password: "correct horse battery",
        },
    });
    const session = await shop.POST("/v1/storefront/sessions", {
        body: { email: "buyer@minato.example", password: "correct horse battery" },
    });
    const token: string = session.data?.access_token ?? "";
    return `${config.data?.store_name} ${codes.join()} ${token}`;
}

export async function buy(): Promise<number> {
    const me = await shop.GET("/v1/storefront/me");
    await shop.PATCH("/v1/storefront/me", { body: { street: "海岸通4-1", fax: null } });
    const paid = await shop.GET("/v1/storefront/me/paid");
    const lines = [{ product_code: "TEA-100", quantity: 3 }];
    const quote = await shop.POST("/v1/storefront/orders/quote", { body: { lines } });
    const order = await shop.POST("/v1/storefront/orders", {
        params: { header: keyed },
        body: { payment_method: paid.data?.can_pay ? "paid" : "bank_transfer", lines },
    });
    const name: string | undefined = me.data?.company_name;
    return (order.data?.totals.total ?? quote.data?.totals.total ?? 0) + (name?.length ?? 0);
}

export async function serve(id: string): Promise<string[]> {
    await admin.POST("/v1/admin/sessions", {
        body: { store: "minato", email: "owner@minato.example", password: "correct horse battery" },
    });
    const members = await admin.GET("/v1/admin/members", { params: { query: { status: "active", q: "みなと" } } });
    const numbers: string[] = members.data?.data.map((member) => member.paid.customer_number ?? member.number) ?? [];
    await admin.PATCH("/v1/admin/members/{id}", { params: { path: { id } }, body: { building: null } });
    await admin.POST("/v1/admin/members/{id}/paid/application", { params: { path: { id } } });
    await admin.POST("/v1/admin/products", {
        body: { code: "TEA-100", name: "宇治煎茶 100g", unit_price: 1200, tax_rate: 8 },
    });
    await admin.PUT("/v1/admin/settings/store", { body: { unconfirmed_alert_days: 30 } });
    return numbers;
}

export async function settle(id: string): Promise<number> {
    const order = await admin.GET("/v1/admin/orders/{id}", { params: { path: { id } } });
    const payment = order.data?.payment ?? null;
    const expected_amount: number = payment?.amount ?? 0;
    await admin.POST("/v1/admin/orders/{id}/payment/confirm", { params: { path: { id } }, body: { expected_amount } });
    await admin.POST("/v1/admin/orders/{id}/cancel", { params: { path: { id } }, body: { reason: "在庫切れ" } });
    const job = await admin.POST("/v1/admin/orders/payments/refresh", {
        body: { filter: { payment_status: "unconfirmed" } },
    });
    const summary = await admin.GET("/v1/admin/summary");
    const problem = order.error?.errors?.map((fault) => fault.paid_code ?? fault.code) ?? [];
    return (job.data?.total ?? 0) + (summary.data ? 1 : 0) + problem.length;
}
