import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, type AdminClient, type EventMessage, isProblem, type Session } from "../src/index.js";
import { baseUrl, TOKEN_TTL, until } from "./service.js";
import { Shop } from "./shop.js";
import { cutAfter, wire, type Wire } from "./wires.js";

const JOB = "/v1/admin/jobs/{id}/stream";
const STREAM = "/v1/admin/events/stream";

/** The staff, over a wire that cuts the first stream of events after so many messages. */
async function staffOf(shop: Shop, cut = Infinity): Promise<{ staff: AdminClient; noted: Wire }> {
    let streams = 0;
    const noted = wire((answer, { path }) => {
        if (path !== STREAM || !answer.ok || streams++ > 0 || cut === Infinity) return answer;
        return cutAfter(cut, answer);
    });
    const staff = admin({ baseUrl, fetch: noted.fetch });
    await staff.logIn(shop.owner);
    return { staff, noted };
}

/** What a stream tells of so many new products. */
async function follow(staff: AdminClient, many: number, messages: EventMessage[] = []): Promise<EventMessage[]> {
    const { next_cursor: cursor } = await staff.get("/v1/admin/events");
    const query = { cursor, type: "product.created" } as const;
    for await (const message of staff.stream(STREAM, { query })) if (messages.push(message) === many) break;
    return messages;
}

const streams = ({ sent }: Wire) => sent.filter(({ path }) => path === STREAM);
const nameOf = async (shop: Shop, { data }: EventMessage) =>
    (await shop.staff.get("/v1/admin/products/{id}", { path: { id: data.subject.id } })).code;

test("a job is told of until it has ended", async () => {
    const shop = await Shop.open();
    await shop.buyer();
    const { id } = await shop.staff.post("/v1/admin/members/paid/refresh", { body: {} });
    const told = [];
    for await (const message of shop.staff.stream(JOB, { path: { id } })) told.push(message);
    const last = told.at(-1);
    assert.deepEqual([last?.type, last?.data.id], ["finished", id]);
    assert.deepEqual([last?.data.state, last?.data.succeeded], ["succeeded", 1]);
    assert.ok(told.slice(0, -1).every(({ type }) => type === "progress"));
});

test("whoever knows the end of a job is told nothing", async () => {
    const shop = await Shop.open();
    const { id } = await shop.staff.post("/v1/admin/members/paid/refresh", { body: {} });
    const read = async (lastEventId = "") => {
        let last = "";
        for await (const message of shop.staff.stream(JOB, { path: { id }, lastEventId })) last = message.id;
        return last;
    };
    const end = await read();
    assert.match(end, /^[0-9]+$/);
    assert.equal(await read(end), "");
});

test("a stream of events that is cut goes on at its place: nothing is missing, nothing comes twice", async () => {
    const shop = await Shop.open();
    const { staff, noted } = await staffOf(shop, 2);
    const messages: EventMessage[] = [];
    const followed = follow(staff, 4, messages);
    await until("the stream is open", () => streams(noted).length === 1);
    for (const code of ["CUP-1", "CUP-2"]) await shop.product(code);
    await until("both are told", () => messages.length > 1);
    for (const code of ["CUP-3", "CUP-4"]) await shop.product(code);
    await followed;
    for (const { type, data } of messages) assert.deepEqual([type, data.type], ["product.created", "product.created"]);
    const codes = await Promise.all(messages.map((message) => nameOf(shop, message)));
    assert.deepEqual(codes, ["CUP-1", "CUP-2", "CUP-3", "CUP-4"]);
    const [first, second] = streams(noted);
    assert.equal(first?.lastEventId, null);
    assert.match(second?.lastEventId ?? "", /^e[0-9]+$/);
});

test("a stream outlives its token", async () => {
    const shop = await Shop.open();
    const { staff, noted } = await staffOf(shop);
    const followed = follow(staff, 2);
    await until("the stream is open", () => streams(noted).length === 1);
    await shop.product("CUP-1");
    const began = Date.now();
    await until("the stream is opened again", () => streams(noted).length > 1);
    assert.ok(Date.now() - began < (TOKEN_TTL + 2) * 1000);
    await shop.product("CUP-2");
    assert.deepEqual(await Promise.all((await followed).map((message) => nameOf(shop, message))), ["CUP-1", "CUP-2"]);
});

test("a stream ends with the session", async () => {
    const shop = await Shop.open();
    const { staff, noted } = await staffOf(shop);
    const followed = follow(staff, 1);
    const ended = assert.rejects(followed, (error) => isProblem(error, "token_missing"));
    await until("the stream is open", () => streams(noted).length === 1);
    await admin({ baseUrl, token: (staff.session as Session).accessToken }).delete("/v1/admin/sessions/current");
    await ended;
});

test("whoever gives a stream up is let go", async () => {
    const shop = await Shop.open();
    const { staff, noted } = await staffOf(shop);
    const control = new AbortController();
    const read = async () => {
        for await (const { type } of staff.stream(STREAM, { signal: control.signal })) assert.fail(type);
    };
    const ended = assert.rejects(read(), { name: "AbortError" });
    await until("the stream is open", () => streams(noted).length === 1);
    control.abort();
    await ended;
});
