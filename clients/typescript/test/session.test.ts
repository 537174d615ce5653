import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, inStorage, isProblem, type Session } from "../src/index.js";
import { baseUrl, until } from "./service.js";
import { Shop } from "./shop.js";
import { wire } from "./wires.js";

/** A browser's storage. */
function storage(): Pick<Storage, "getItem" | "setItem"> {
    const items = new Map<string, string>();
    return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) };
}

const refreshes = (sent: { path: string }[]) => sent.filter(({ path }) => path.endsWith("/sessions/refresh")).length;

test("whoever logs in is known to the calls that follow", async () => {
    const shop = await Shop.open();
    const { email, password } = await shop.register();
    const buyer = shop.visitor();
    assert.equal(buyer.session, undefined);
    await buyer.logIn({ email, password });
    assert.equal((await buyer.get("/v1/storefront/me")).email, email);
});

test("a wrong password is a problem, and nobody is logged in", async () => {
    const shop = await Shop.open();
    const staff = admin({ baseUrl });
    const attempt = staff.logIn({ ...shop.owner, password: "wrong horse battery" });
    await assert.rejects(attempt, (error) => isProblem(error, "login_failed") && error.status === 401);
    assert.equal(staff.session, undefined);
});

test("a session is refreshed before its token ends, once for all calls made at the same time", async () => {
    const shop = await Shop.open();
    const { fetch, sent } = wire();
    const sessionStore = inStorage(storage());
    const staff = admin({ baseUrl, fetch, sessionStore });
    await staff.logIn(shop.owner);
    const before = staff.session;
    assert.ok(before);
    sessionStore.set({ ...before, expiresAt: Date.now() });
    const names = await Promise.all([1, 2, 3].map(async () => (await staff.get("/v1/admin/settings/store")).name));
    assert.deepEqual(names, ["みなと商店", "みなと商店", "みなと商店"]);
    assert.equal(refreshes(sent), 1);
    assert.notEqual(staff.session.refreshToken, before.refreshToken);
});

test("a session is refreshed when the service says that its token has expired, once for all as well", async () => {
    const shop = await Shop.open();
    const { fetch, sent } = wire();
    const sessionStore = inStorage(storage());
    const staff = admin({ baseUrl, fetch, sessionStore });
    await staff.logIn(shop.owner);
    const session = staff.session;
    assert.ok(session);
    await until("the token has expired", async () => {
        const headers = { Authorization: `Bearer ${session.accessToken}` };
        return (await globalThis.fetch(`${baseUrl}/v1/admin/me`, { headers })).status === 401;
    });
    // A clock that is an hour slow.
    sessionStore.set({ ...session, expiresAt: Date.now() + 3_600_000 });
    const [me, page] = await Promise.all([staff.get("/v1/admin/me"), staff.get("/v1/admin/orders")]);
    assert.deepEqual([me.email, page.data], [shop.owner.email, []]);
    assert.equal(refreshes(sent), 1);
});

test("a refresh whose answer got lost is asked for again, and the session goes on", async () => {
    const shop = await Shop.open();
    let lost = 0;
    const { fetch } = wire((answer, { path }) => {
        if (path.endsWith("/refresh") && lost++ === 0) throw new TypeError("the network is down");
        return answer;
    });
    const sessionStore = inStorage(storage());
    const staff = admin({ baseUrl, fetch, sessionStore });
    await staff.logIn(shop.owner);
    sessionStore.set({ ...(staff.session as Session), expiresAt: 0 });
    assert.equal((await staff.get("/v1/admin/me")).email, shop.owner.email);
    assert.equal(lost, 2);
});

test("after a reload one is still logged in, and another tab's refresh is seen", async () => {
    const shop = await Shop.open();
    const shared = storage();
    const tab = () => {
        const seen = wire();
        return { ...seen, client: admin({ baseUrl, sessionStore: inStorage(shared), fetch: seen.fetch }) };
    };
    const first = tab();
    await first.client.logIn(shop.owner);
    const second = tab();
    assert.deepEqual(second.client.session, first.client.session);
    inStorage(shared).set({ ...(first.client.session as Session), expiresAt: 0 });
    await first.client.get("/v1/admin/me");
    assert.equal((await second.client.get("/v1/admin/me")).email, shop.owner.email);
    assert.deepEqual([refreshes(first.sent), refreshes(second.sent)], [1, 0]);
});

test("of two tabs that find the token expired at the same time, one refreshes", async (t) => {
    const shop = await Shop.open();
    const shared = inStorage(storage());
    // As a browser's Web Locks: whoever asks for a lock waits for those before him.
    let last: Promise<unknown> = Promise.resolve();
    const request = (_: string, work: () => Promise<void>) => (last = last.then(work));
    const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
    Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks: { request } } });
    t.after(() => Object.defineProperty(globalThis, "navigator", before ?? { configurable: true, value: undefined }));
    const noted = wire();
    const [first, second] = [1, 2].map(() => admin({ baseUrl, sessionStore: shared, fetch: noted.fetch }));
    assert.ok(first && second);
    await first.logIn(shop.owner);
    shared.set({ ...(first.session as Session), expiresAt: 0 });
    const [one, other] = await Promise.all([first.get("/v1/admin/me"), second.get("/v1/admin/me")]);
    assert.deepEqual(one, other);
    assert.equal(refreshes(noted.sent), 1);
});

test("a log-out of a session that has ended already is none the less one", async () => {
    const shop = await Shop.open();
    const staff = admin({ baseUrl });
    await staff.logIn(shop.owner);
    await admin({ baseUrl, token: (staff.session as Session).accessToken }).delete("/v1/admin/sessions/current");
    await staff.logOut();
    assert.equal(staff.session, undefined);
    await staff.logOut();
});

test("a log-out ends the session at the service too", async () => {
    const shop = await Shop.open();
    const told: boolean[] = [];
    const staff = admin({ baseUrl, onSession: (session) => told.push(session !== undefined) });
    await staff.logIn(shop.owner);
    const { accessToken } = staff.session as Session;
    await staff.logOut();
    assert.deepEqual([staff.session, told], [undefined, [true, false]]);
    const asBefore = admin({ baseUrl, token: accessToken });
    await assert.rejects(asBefore.get("/v1/admin/me"), (error) => isProblem(error, "token_invalid"));
    await assert.rejects(staff.get("/v1/admin/me"), (error) => isProblem(error, "token_missing"));
});

test("whose session was ended elsewhere goes on as a visitor", async () => {
    const shop = await Shop.open();
    const { email, password } = await shop.register();
    const told: boolean[] = [];
    const buyer = shop.visitor({ onSession: (session) => told.push(session !== undefined) });
    await buyer.logIn({ email, password });
    const { accessToken } = buyer.session as Session;
    await shop.visitor({ token: accessToken }).delete("/v1/storefront/sessions/current");
    const products = await buyer.get("/v1/storefront/products");
    assert.deepEqual([products.data.map(({ code }) => code), told], [["TEA-100"], [true, false]]);
    await assert.rejects(buyer.get("/v1/storefront/me"), (error) => isProblem(error, "token_missing"));
});

test("a partner's token comes from a function, which is told when one is refused", async () => {
    const shop = await Shop.open();
    const { client_id, client_secret } = await shop.staff.post("/v1/admin/clients", {
        body: { name: "会計連携", scopes: ["orders:read"] },
    });
    const asked: (string | undefined)[] = [];
    let token = "not a token";
    const partner = admin({
        baseUrl,
        async token(refused) {
            asked.push(refused);
            if (refused !== token) return token;
            const body = { grant_type: "client_credentials", client_id, client_secret: client_secret ?? "" };
            return (token = (await admin({ baseUrl }).post("/v1/oauth/token", { body })).access_token);
        },
    });
    assert.deepEqual((await partner.get("/v1/admin/orders")).data, []);
    assert.deepEqual(asked, [undefined, "not a token"]);
});
