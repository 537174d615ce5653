// A peer: Fastify, pg, a process for each core. Order by id, list of orders, storefront order on Paid, on the same schema.
import cluster from "node:cluster";
import crypto from "node:crypto";
import fastify from "fastify";
import pg from "pg";
import { Pool as HttpPool } from "undici";
const { DATABASE_URL, PAID_URL, AUTH_CODE, ISSUER_URL, PORT, PROCESSES } = process.env;

if (cluster.isPrimary && PROCESSES > 1) {
    for (let at = 0; at < PROCESSES; at++) cluster.fork();
    process.on("SIGTERM", () => process.exit(0));
} else {
    await serve();
}

async function serve() {
    pg.types.setTypeParser(pg.types.builtins.INT8, Number);
    const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 8 });
    const paid = new HttpPool(PAID_URL, { connections: 32 });
    const { keys } = await (await fetch(`${ISSUER_URL}/.well-known/jwks.json`)).json();
    const publicKeys = new Map(keys.map((key) => [key.kid, crypto.createPublicKey({ key, format: "jwk" })]));
    const app = fastify();
    const verified = new Map(), names = new Map();
    // Statements are prepared once for each connection, under the name of their text.
    const query = (text, values, db = pool) => {
        if (!names.has(text)) names.set(text, `s${names.size}`);
        return db.query({ name: names.get(text), text, values });
    };
    function insert(db, table, row, more = "") {
        const columns = Object.keys(row), places = columns.map((_, at) => `$${at + 1}`);
        return query(`INSERT INTO ${table} (${columns}) VALUES (${places}) ${more}`, Object.values(row), db);
    }
    async function transaction(work) {
        const db = await pool.connect();
        try {
            await db.query("BEGIN");
            await work(db);
            await db.query("COMMIT");
        } catch (error) {
            await db.query("ROLLBACK");
            throw error;
        } finally {
            db.release();
        }
    }
    const refuse = (status) => { throw Object.assign(new Error(String(status)), { statusCode: status }); };
    // A token is verified once and then remembered until it ends.
    function claimsOf(request, audience) {
        const header = request.headers.authorization ?? "";
        let claims = verified.get(header);
        if (!claims) {
            const [head, body, signature] = header.replace("Bearer ", "").split(".");
            const decoded = (part) => JSON.parse(Buffer.from(part ?? "", "base64url"));
            try {
                const key = publicKeys.get(decoded(head).kid);
                const good = crypto.verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url"));
                claims = good && decoded(body);
            } catch {}
            if (claims?.iss !== "kakeuri") refuse(401);
            verified.set(header, claims);
        }
        if (claims.exp <= Date.now() / 1000 || claims.aud !== audience) refuse(401);
        return claims;
    }
    async function admin(request) {
        const claims = claimsOf(request, "kakeuri:admin");
        const { rows } = await query(`SELECT u.role FROM sessions s JOIN admin_users u ON u.store_id = s.store_id AND
            u.id = s.user_id WHERE s.store_id = $1 AND s.id = $2 AND s.ended_at IS NULL`, [claims.store, claims.jti]);
        if (!rows.length || !claims.scope.includes("orders:read")) refuse(rows.length ? 403 : 401);
        request.store = claims.store;
    }
    // The member, with everything of the store that an order depends on.
    async function buyer(request) {
        const claims = claimsOf(request, "kakeuri:storefront");
        const { rows } = await query(`SELECT m.store_id, m.id, m.number, m.status, m.profile->>'company_name' AS company_name,
            m.payment_methods, m.application_status, m.customer_number, t.tax_rounding, p.enabled, p.environment, p.merchant_id
            FROM sessions s JOIN members m ON m.store_id = s.store_id AND m.id = s.member_id
            JOIN stores t ON t.store_id = s.store_id JOIN paid_settings p ON p.store_id = s.store_id
            WHERE s.store_id = $1 AND s.id = $2 AND s.ended_at IS NULL AND m.deleted_at IS NULL`, [claims.store, claims.jti]);
        request.me = rows[0] ?? refuse(401);
    }
    const orders = `SELECT o.*, m.number AS member_number, m.profile->>'company_name' AS company_name, p.status, p.amount,
        p.credit_key, p.checked_at, p.confirmed_at, p.fixed_on::text, p.cancelled_at AS payment_cancelled_at, p.last_error,
        n.id AS operation_id, n.kind, n.state, n.started_at, n.next_try_at
        FROM orders o JOIN members m ON m.store_id = o.store_id AND m.id = o.member_id
        LEFT JOIN payments p ON p.store_id = o.store_id AND p.order_id = o.id
        LEFT JOIN operations n ON n.store_id = o.store_id AND n.order_id = o.id AND n.state IN ('open', 'stuck')
        WHERE o.store_id = $1 AND o.discarded_at IS NULL`;
    const shown = (row) => ({
        id: row.id, number: row.number, member: { id: row.member_id, number: row.member_number, company_name: row.company_name },
        placed_at: row.placed_at, cancelled_at: row.cancelled_at, handling_status: row.handling_status,
        payment_method: row.payment_method, lines: row.lines, shipping_fee: row.shipping_fee, payment_fee: row.payment_fee,
        tax_rounding: row.tax_rounding, totals: row.totals, note: row.note, internal_note: row.internal_note, warnings: [],
        payment: row.status && {
            status: row.status, amount: row.amount, provider_reference: row.credit_key,
            amount_mismatch: (row.status === "unconfirmed" || row.status === "confirmed") && row.amount !== row.total,
            checked_at: row.checked_at, confirmed_at: row.confirmed_at, fixed_on: row.fixed_on,
            cancelled_at: row.payment_cancelled_at, last_error: row.last_error,
            open_operation: row.operation_id && { id: row.operation_id, action: row.kind, state: row.state,
                started_at: row.started_at, next_try_at: row.next_try_at } },
    });
    app.get("/v1/admin/orders/:id", { preHandler: admin }, async (request, reply) => {
        const { rows: [row] } = await query(`${orders} AND o.id = $2`, [request.store, request.params.id]);
        return row ? reply.header("ETag", `"${row.version}"`).send(shown(row)) : refuse(404);
    });
    app.get("/v1/admin/orders", { preHandler: admin }, async (request) => {
        const { payment_status, cursor, limit = 50 } = request.query;
        const { rows } = await query(`${orders} AND p.store_id = $1 AND p.status = $2 AND p.order_id < $3
            ORDER BY p.order_id DESC LIMIT $4`, [request.store, payment_status, cursor ?? "f".repeat(32), Number(limit) + 1]);
        return { data: rows.slice(0, limit).map(shown), next_cursor: rows.length > limit ? rows[limit - 1].id : null };
    });
    function uuid7() {
        const random = crypto.randomUUID(), time = Date.now().toString(16).padStart(12, "0");
        return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
    }
    async function askPaid(path, body) {
        const begun = performance.now(), text = JSON.stringify({ header: { apiAuthCode: AUTH_CODE }, body });
        const answer = await paid.request({ method: "POST", path: `/y/coop/${path}/ver1.0/p.json`, body: text });
        return [await answer.body.json(), Math.round(performance.now() - begun)];
    }
    function seal(text) {
        const nonce = crypto.randomBytes(12), cipher = crypto.createCipheriv("aes-256-gcm", Buffer.alloc(32), nonce);
        return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    }
    const line = { type: "object", required: ["product_code", "quantity"], additionalProperties: false,
        properties: { product_code: { type: "string" }, quantity: { type: "integer", minimum: 1 } } };
    const body = { type: "object", required: ["payment_method", "lines"], additionalProperties: false, properties: {
        payment_method: { type: "string" }, lines: { type: "array", minItems: 1, maxItems: 100, items: line },
        note: { type: "string", maxLength: 2000, default: "" } } };
    app.post("/v1/storefront/orders", { preHandler: buyer, schema: { body } }, async (request, reply) => {
        const { me, body: wanted } = request, store = me.store_id, actor = `member:${me.id}`, lock = crypto.randomUUID();
        const now = new Date(), lease = new Date(now.getTime() + 15_000), key = [store, actor, request.headers["idempotency-key"]];
        const fingerprint = crypto.createHash("sha256").update(`POST /v1/storefront/orders ${JSON.stringify(wanted)}`).digest();
        const claimed = await insert(pool, "idempotency_keys", { store_id: store, caller: actor, key: key[2], fingerprint,
            locked_until: lease, lock_token: lock, created_at: now }, "ON CONFLICT DO NOTHING");
        const ofKey = "WHERE store_id = $1 AND caller = $2 AND key = $3";
        if (!claimed.rowCount) refuse(409);
        const { rows } = await query(`SELECT code, name, unit_price, tax_rate, paid_allowed FROM products WHERE store_id = $1
            AND code = ANY($2) AND active`, [store, wanted.lines.map((line) => line.product_code)]);
        const products = new Map(rows.map((row) => [row.code, row])), nets = new Map();
        const lines = wanted.lines.map(({ product_code, quantity }) => {
            const { name, unit_price, tax_rate } = products.get(product_code) ?? refuse(422);
            nets.set(tax_rate, (nets.get(tax_rate) ?? 0) + unit_price * quantity);
            return { product_code, name, unit_price, quantity, tax_rate };
        });
        if (!me.enabled || me.status !== "active" || wanted.payment_method !== "paid" || !me.payment_methods.includes("paid")
            || me.application_status !== "approved_active" || !rows.every((row) => row.paid_allowed)) refuse(409);
        const by_rate = [...nets].sort(([a], [b]) => b - a).map(([tax_rate, net]) => {
            const tax = Math.floor((net * tax_rate) / 100);
            return { tax_rate, net, tax, gross: net + tax };
        }), sum = (part) => by_rate.reduce((sum, row) => sum + row[part], 0);
        const totals = { by_rate, net: sum("net"), tax: sum("tax"), total: sum("gross") }, total = totals.total;
        const { customer_number: customer, environment } = me;
        const [credit, asked] = await askPaid("member/creditCheck", { credit: { b2bMemberId: customer, price: total } });
        if (String(credit.body.result?.creditAvailable) !== "true") refuse(402);
        const counted = await query(`UPDATE counters SET value = value + 1 WHERE store_id = $1 AND name = 'order'
            RETURNING value`, [store]);
        const number = String(counted.rows[0].value).padStart(8, "0"), order = uuid7(), operation = uuid7();
        const credit_key = crypto.randomBytes(10).toString("hex"), data = { total, operation_id: operation };
        const item = { b2bMemberId: customer, contents: lines[0].name, code: number, price: total, b2bCreditId: credit_key };
        const sale = { credits: { credit: [item] } };
        const call = (db, row) => insert(db, "provider_calls", { store_id: store, id: uuid7(), order_id: order, outcome: "done",
            http_status: 200, ...row });
        const event = (db, type, data, at) => insert(db, "events", { store_id: store, seq: 0, id: uuid7(), type,
            subject_type: "order", subject_id: order, actor, data, created_at: at });
        await transaction(async (db) => {
            await insert(db, "orders", { store_id: store, id: order, number, member_id: me.id, placed_at: now,
                payment_method: "paid", lines: JSON.stringify(lines), shipping_fee: 0, payment_fee: 0,
                tax_rounding: me.tax_rounding, totals, total, note: wanted.note, updated_at: now });
            await insert(db, "payments", { store_id: store, order_id: order, status: "processing", amount: total, environment,
                merchant_id: me.merchant_id, credit_key, customer_number: customer, created_at: now });
            await insert(db, "operations", { store_id: store, id: operation, kind: "register", order_id: order, environment,
                paid_key: credit_key, body: sale, plan: { kind: "register", amount: total }, actor, may_have_arrived: true,
                next_try_at: now, lease: lock, lease_until: lease, started_at: now });
            await call(db, { member_id: me.id, call: "credit_check", duration_ms: asked, called_at: now });
            await query(`UPDATE idempotency_keys SET subject = $4 ${ofKey}`, [...key, order], db);
            await event(db, "order.requested", data, now);
        });
        const [done, took] = await askPaid("Register/b2bMemberId", sale);
        if (done.header.status !== "SUCCESS") refuse(502);
        const member = { id: me.id, number: me.number, company_name: me.company_name };
        const answer = JSON.stringify({ id: order, number, member, placed_at: now, cancelled_at: null, handling_status: "new",
            payment_method: "paid", lines, shipping_fee: 0, payment_fee: 0, tax_rounding: me.tax_rounding, totals,
            payment: { status: "unconfirmed" }, note: wanted.note });
        const ofOrder = [store, order], ended = new Date();
        await transaction(async (db) => {
            const settled = await query(`UPDATE operations SET state = 'done', settled_at = $4, lease = NULL, lease_until = NULL
                WHERE store_id = $1 AND id = $2 AND lease = $3 AND state = 'open'`, [store, operation, lock, ended], db);
            if (!settled.rowCount) refuse(409);
            await query("UPDATE payments SET status = 'unconfirmed', version = 2 WHERE store_id = $1 AND order_id = $2", ofOrder, db);
            await query("UPDATE orders SET version = 2, updated_at = $3 WHERE store_id = $1 AND id = $2", [...ofOrder, ended], db);
            await call(db, { operation_id: operation, call: "register", duration_ms: took, called_at: ended });
            await event(db, "order.placed", { ...data, payment_method: "paid" }, ended);
            await query(`UPDATE idempotency_keys SET status = 201, answer_sealed = $4 ${ofKey}`, [...key, seal(answer)], db);
        });
        return reply.code(201).header("Location", `/v1/storefront/orders/${order}`).header("ETag", '"2"')
            .type("application/json").send(answer);
    });
    await app.listen({ port: Number(PORT), host: "127.0.0.1" });
}
