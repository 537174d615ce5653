// What tests begin with: a shop that nobody else knows, its staff, its products and its buyers.
import type { AdminClient, Options, Storefront, StorefrontClient } from "../src/index.js";
import { admin, storefront } from "../src/index.js";
import { baseUrl, kakeuri, sandboxUrl } from "./service.js";

type Made = { publishable_key: string; owner: { email: string; password: string } };

let opened = 0;

export class Shop {
    private constructor(
        readonly slug: string,
        readonly publishableKey: string,
        readonly owner: { store: string; email: string; password: string },
        /** Its owner, logged in. */
        readonly staff: AdminClient,
    ) {}

    /** A shop with a contract with the sandbox of Paid, and one product for 1000 yen. */
    static async open(): Promise<Shop> {
        const slug = `shop${process.pid}x${++opened}`;
        const created = await kakeuri("store", "create", "--slug", slug, "--name", "みなと商店", "--json");
        const made = JSON.parse(created) as Made;
        const staff = admin({ baseUrl });
        const owner = { store: slug, ...made.owner };
        await staff.logIn(owner);
        await staff.put("/v1/admin/settings/paid", {
            body: { merchant_id: "10042", api_auth_code: slug, environment: "sandbox", enabled: true },
        });
        // By hand, so that nothing is submitted to Paid but by a test.
        await staff.put("/v1/admin/settings/store", { body: { member_approval: "manual" } });
        const shop = new Shop(slug, made.publishable_key, owner, staff);
        await shop.product("TEA-100");
        return shop;
    }

    async product(code: string): Promise<void> {
        const body = { code, name: "宇治煎茶 100g", unit_price: 1000, tax_rate: 8 } as const;
        await this.staff.post("/v1/admin/products", { body });
    }

    /** A client of its storefront, with nobody logged in. */
    visitor(options: Partial<Options> = {}): StorefrontClient {
        return storefront({ baseUrl, publishableKey: this.publishableKey, ...options });
    }

    /** Somebody registers, wishes to buy on account, and is approved by the shop. */
    async register(): Promise<{ id: string; email: string; password: string }> {
        const login = { email: "buyer@umikaze.example", password: "correct horse battery" };
        await this.visitor().post("/v1/storefront/members", { body: { ...PROFILE, ...login, wants_paid: true } });
        const [member] = (await this.staff.get("/v1/admin/members")).data;
        if (!member) throw new Error("nobody has registered");
        await this.staff.post("/v1/admin/members/{id}/approve", { path: { id: member.id } });
        return { id: member.id, ...login };
    }

    /** A buyer whom Paid has approved, logged in. */
    async buyer(options: Partial<Options> = {}): Promise<StorefrontClient> {
        const { id, email, password } = await this.register();
        await this.staff.post("/v1/admin/members/{id}/paid/application", { path: { id } });
        await this.staff.post("/v1/admin/members/{id}/paid/refresh", { path: { id } });
        const buyer = this.visitor(options);
        await buyer.logIn({ email, password });
        return buyer;
    }

    /** Lets something go wrong at Paid. */
    async fault(fault: { operation: string; kind: string; times?: number; delay_ms?: number }): Promise<void> {
        const body = JSON.stringify(fault);
        const answer = await fetch(`${sandboxUrl}/${this.slug}/faults`, { method: "POST", body });
        if (!answer.ok) throw new Error(await answer.text());
    }
}

export const ORDER: Storefront.OrderIn = {
    payment_method: "paid",
    lines: [{ product_code: "TEA-100", quantity: 2 }],
};

const PROFILE = {
    company_name: "株式会社うみかぜ雑貨",
    company_name_kana: "カブシキガイシャウミカゼザッカ",
    representative: { family_name: "佐藤", given_name: "健一", family_name_kana: "サトウ", given_name_kana: "ケンイチ" },
    contact: { family_name: "鈴木", given_name: "美咲", family_name_kana: "スズキ", given_name_kana: "ミサキ" },
    postal_code: "231-0002",
    prefecture: "神奈川県",
    city: "横浜市中区",
    street: "海岸通4-1",
    phone: "045-000-1234",
};
