"""A peer: FastAPI, asyncpg, uvloop. Order by id, list of orders, storefront order on Paid, on the same schema."""

import hashlib, json, os, secrets, time, urllib.request, uuid  # noqa: E401
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated
import aiohttp, asyncpg, jwt, orjson  # noqa: E401
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, Field

SEAL = AESGCM(bytes(32))

@asynccontextmanager
async def lifespan(app):
    async def as_it_is(connection):
        """Nothing changes a connection here, so nothing is set back when it returns to the pool."""
    with urllib.request.urlopen(os.environ["ISSUER_URL"] + "/.well-known/jwks.json") as answer:
        app.keys = {key["kid"]: jwt.PyJWK(key) for key in json.load(answer)["keys"]}
    app.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=8, max_size=8, reset=as_it_is)
    app.paid = aiohttp.ClientSession(os.environ["PAID_URL"], json_serialize=lambda value: orjson.dumps(value).decode())
    yield

app = FastAPI(lifespan=lifespan, docs_url=None, openapi_url=None)

@lru_cache(20_000)
def verify(authorization: str) -> dict:
    """A token is verified once and then remembered."""
    try:
        token = authorization.removeprefix("Bearer ")
        key = app.keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, ["EdDSA"], issuer="kakeuri", audience=["kakeuri:admin", "kakeuri:storefront"])
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(401) from None

def claims_of(authorization: str, audience: str) -> dict:
    claims = verify(authorization)
    if claims["exp"] <= time.time() or claims["aud"] != audience:
        raise HTTPException(401)
    return claims

async def admin(authorization: Annotated[str, Header()]) -> dict:
    claims = claims_of(authorization, "kakeuri:admin")
    role = await app.pool.fetchval(
        "SELECT u.role FROM sessions s JOIN admin_users u ON u.store_id = s.store_id AND u.id = s.user_id "
        "WHERE s.store_id = $1 AND s.id = $2 AND s.ended_at IS NULL", claims["store"], claims["jti"])
    if role is None or "orders:read" not in claims["scope"].split():
        raise HTTPException(403 if role else 401)
    return claims

async def buyer(authorization: Annotated[str, Header()]) -> asyncpg.Record:
    """The member, with everything of the store that an order depends on."""
    claims = claims_of(authorization, "kakeuri:storefront")
    if member := await app.pool.fetchrow(
            "SELECT m.store_id, m.id, m.number, m.status, m.profile->>'company_name' AS company_name, m.payment_methods, "
            "m.application_status, m.customer_number, t.tax_rounding, p.enabled, p.environment, p.merchant_id FROM sessions s "
            "JOIN members m ON m.store_id = s.store_id AND m.id = s.member_id JOIN stores t ON t.store_id = s.store_id "
            "JOIN paid_settings p ON p.store_id = s.store_id WHERE s.store_id = $1 AND s.id = $2 AND s.ended_at IS NULL "
            "AND m.deleted_at IS NULL", claims["store"], claims["jti"]):
        return member
    raise HTTPException(401)

ORDERS = """SELECT o.id, o.number, o.placed_at, o.cancelled_at, o.handling_status, o.payment_method, o.lines, o.shipping_fee,
    o.payment_fee, o.tax_rounding, o.totals, o.total, o.note, o.internal_note, o.version, m.id AS member_id,
    m.number AS member_number, m.profile->>'company_name' AS company_name, p.status, p.amount, p.credit_key, p.checked_at,
    p.confirmed_at, p.fixed_on, p.cancelled_at AS payment_cancelled_at, p.last_error, n.id AS operation_id, n.kind, n.state,
    n.started_at, n.next_try_at FROM orders o JOIN members m ON m.store_id = o.store_id AND m.id = o.member_id
    LEFT JOIN payments p ON p.store_id = o.store_id AND p.order_id = o.id
    LEFT JOIN operations n ON n.store_id = o.store_id AND n.order_id = o.id AND n.state IN ('open', 'stuck')
    WHERE o.store_id = $1 AND o.discarded_at IS NULL"""
PLAIN = ("number", "placed_at", "cancelled_at", "handling_status", "payment_method", "shipping_fee", "payment_fee",
         "tax_rounding", "note", "internal_note")

def shown(row) -> dict:
    order = {name: row[name] for name in PLAIN} | {
        "id": str(row["id"]), "lines": orjson.Fragment(row["lines"]), "totals": orjson.Fragment(row["totals"]), "warnings": [],
        "member": {"id": str(row["member_id"]), "number": row["member_number"], "company_name": row["company_name"]}}
    operation = row["operation_id"] and {"id": str(row["operation_id"]), "action": row["kind"], "state": row["state"],
                                         "started_at": row["started_at"], "next_try_at": row["next_try_at"]}
    order["payment"] = row["status"] and {
        "status": row["status"], "amount": row["amount"], "provider_reference": row["credit_key"],
        "amount_mismatch": row["status"] in ("unconfirmed", "confirmed") and row["amount"] != row["total"],
        "checked_at": row["checked_at"], "confirmed_at": row["confirmed_at"], "fixed_on": row["fixed_on"],
        "cancelled_at": row["payment_cancelled_at"], "open_operation": operation,
        "last_error": row["last_error"] and orjson.Fragment(row["last_error"])}
    return order

def answer(content, **headers) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), 200, headers, "application/json")

@app.get("/v1/admin/orders/{order_id}")
async def get_order(order_id: uuid.UUID, caller: Annotated[dict, Depends(admin)]):
    if row := await app.pool.fetchrow(ORDERS + " AND o.id = $2", caller["store"], order_id):
        return answer(shown(row), ETag=f'"{row["version"]}"')
    raise HTTPException(404)

@app.get("/v1/admin/orders")
async def list_orders(caller: Annotated[dict, Depends(admin)], payment_status: str, limit: int = 50,
                      cursor: uuid.UUID = uuid.UUID(int=2**128 - 1)):
    rows = await app.pool.fetch(ORDERS + " AND p.store_id = $1 AND p.status = $2 AND p.order_id < $3 "
                                "ORDER BY p.order_id DESC LIMIT $4", caller["store"], payment_status, cursor, limit + 1)
    last = str(rows[limit - 1]["id"]) if rows[limit:] else None
    return answer({"data": [shown(row) for row in rows[:limit]], "next_cursor": last})
class Line(BaseModel, extra="forbid"):
    product_code: str
    quantity: int = Field(ge=1)
class NewOrder(BaseModel, extra="forbid"):
    payment_method: str
    lines: list[Line] = Field(min_length=1, max_length=100)
    note: str = Field("", max_length=2000)

def uuid7() -> uuid.UUID:
    random = int.from_bytes(os.urandom(10)) & ~(0xF << 76 | 3 << 62)
    return uuid.UUID(int=time.time_ns() // 1_000_000 << 80 | random | 7 << 76 | 2 << 62)

async def ask_paid(path: str, body: dict) -> tuple[dict, int]:
    begun, request = time.monotonic(), {"header": {"apiAuthCode": os.environ["AUTH_CODE"]}, "body": body}
    async with app.paid.post(f"/y/coop/{path}/ver1.0/p.json", json=request) as found:
        return orjson.loads(await found.read()), round(1000 * (time.monotonic() - begun))

def insert(table: str, **row) -> tuple:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f'${at + 1}' for at in range(len(row)))})", *row.values()

def called(store, **row) -> tuple:
    return insert("provider_calls", store_id=store, id=uuid7(), outcome="done", http_status=200, **row)
def event(store, kind: str, order, actor: str, data: dict, at: datetime) -> tuple:
    return insert("events", store_id=store, seq=0, id=uuid7(), type=kind, subject_type="order", subject_id=order, actor=actor,
                  data=orjson.dumps(data).decode(), created_at=at)

@app.post("/v1/storefront/orders")
async def place_order(new: NewOrder, me: Annotated[asyncpg.Record, Depends(buyer)], idempotency_key: Annotated[str, Header()]):
    store, actor, now, lock = me["store_id"], f"member:{me['id']}", datetime.now(timezone.utc), uuid.uuid4()
    of_key = "WHERE store_id = $1 AND caller = $2 AND key = $3"
    request, lease = (store, actor, idempotency_key), now + timedelta(seconds=15)
    fingerprint = hashlib.sha256(b"POST /v1/storefront/orders " + new.model_dump_json().encode()).digest()
    claim, *values = insert("idempotency_keys", store_id=store, caller=actor, key=idempotency_key, locked_until=lease,
                            fingerprint=fingerprint, lock_token=lock, created_at=now)
    if await app.pool.execute(claim + " ON CONFLICT DO NOTHING", *values) == "INSERT 0 0":
        raise HTTPException(409)
    rows = await app.pool.fetch("SELECT code, name, unit_price, tax_rate, paid_allowed FROM products WHERE store_id = $1 AND "
                                "code = ANY($2) AND active", store, [line.product_code for line in new.lines])
    products, lines, nets = {row["code"]: row for row in rows}, [], {}
    for line in new.lines:
        if (product := products.get(line.product_code)) is None:
            raise HTTPException(422)
        price, rate = product["unit_price"], product["tax_rate"]
        lines.append(line.model_dump() | {"name": product["name"], "unit_price": price, "tax_rate": rate})
        nets[rate] = nets.get(rate, 0) + price * line.quantity
    if not (me["enabled"] and me["status"] == "active" and new.payment_method == "paid" and "paid" in me["payment_methods"]
            and me["application_status"] == "approved_active" and all(row["paid_allowed"] for row in rows)):
        raise HTTPException(409)
    by_rate = [{"tax_rate": rate, "net": net, "tax": net * rate // 100, "gross": net + net * rate // 100}
               for rate, net in sorted(nets.items(), reverse=True)]
    net, tax, total = (sum(row[part] for row in by_rate) for part in ("net", "tax", "gross"))
    totals, customer = {"by_rate": by_rate, "net": net, "tax": tax, "total": total}, me["customer_number"]
    credit, took = await ask_paid("member/creditCheck", {"credit": {"b2bMemberId": customer, "price": total}})
    if not credit["body"]["result"].get("creditAvailable"):
        raise HTTPException(402)
    number = f"""{await app.pool.fetchval("UPDATE counters SET value = value + 1 WHERE store_id = $1 AND name = 'order' "
                                          "RETURNING value", store):08}"""
    order, operation, key = uuid7(), uuid7(), secrets.token_hex(10)
    item = {"b2bMemberId": customer, "contents": lines[0]["name"], "code": number, "price": total, "b2bCreditId": key}
    sale, data = {"credits": {"credit": [item]}}, {"total": total, "operation_id": str(operation)}
    async with app.pool.acquire() as db, db.transaction():
        await db.execute(*insert(
            "orders", store_id=store, id=order, number=number, member_id=me["id"], placed_at=now, payment_method="paid",
            lines=orjson.dumps(lines).decode(), shipping_fee=0, payment_fee=0, tax_rounding=me["tax_rounding"],
            totals=orjson.dumps(totals).decode(), total=total, note=new.note, updated_at=now))
        await db.execute(*insert(
            "payments", store_id=store, order_id=order, status="processing", amount=total, environment=me["environment"],
            merchant_id=me["merchant_id"], credit_key=key, customer_number=customer, created_at=now))
        await db.execute(*insert(
            "operations", store_id=store, id=operation, kind="register", order_id=order, environment=me["environment"],
            paid_key=key, body=orjson.dumps(sale).decode(), plan=f'{{"kind": "register", "amount": {total}}}', actor=actor,
            may_have_arrived=True, next_try_at=now, lease=lock, lease_until=lease, started_at=now))
        await db.execute(*called(store, order_id=order, member_id=me["id"], call="credit_check", duration_ms=took, called_at=now))
        await db.execute(f"UPDATE idempotency_keys SET subject = $4 {of_key}", *request, order)
        await db.execute(*event(store, "order.requested", order, actor, data, now))
    done, took = await ask_paid("Register/b2bMemberId", sale)
    if done["header"]["status"] != "SUCCESS":
        raise HTTPException(502)
    body = answer({
        "id": str(order), "number": number, "placed_at": now, "cancelled_at": None, "handling_status": "new", "lines": lines,
        "member": {"id": str(me["id"]), "number": me["number"], "company_name": me["company_name"]}, "payment_method": "paid",
        "shipping_fee": 0, "payment_fee": 0, "tax_rounding": me["tax_rounding"], "totals": totals, "note": new.note,
        "payment": {"status": "unconfirmed"}}).body
    ended, nonce = datetime.now(timezone.utc), os.urandom(12)
    async with app.pool.acquire() as db, db.transaction():
        if await db.execute("UPDATE operations SET state = 'done', settled_at = $4, lease = NULL, lease_until = NULL WHERE "
                            "store_id = $1 AND id = $2 AND lease = $3", store, operation, lock, ended) == "UPDATE 0":
            raise HTTPException(409)
        await db.execute("UPDATE payments SET status = 'unconfirmed', version = 2 WHERE store_id = $1 AND order_id = $2",
                         store, order)
        await db.execute("UPDATE orders SET version = 2, updated_at = $3 WHERE store_id = $1 AND id = $2", store, order, ended)
        await db.execute(*called(store, order_id=order, operation_id=operation, call="register", duration_ms=took, called_at=ended))
        await db.execute(*event(store, "order.placed", order, actor, data | {"payment_method": "paid"}, ended))
        await db.execute(f"UPDATE idempotency_keys SET status = 201, answer_sealed = $4 {of_key}", *request,
                         nonce + SEAL.encrypt(nonce, body, None))
    return Response(body, 201, {"Location": f"/v1/storefront/orders/{order}", "ETag": '"2"'}, "application/json")
