"""A store with as many members and orders as wanted, made by statements that copy what the service itself has made.

One member and one order of each kind are placed over HTTP (shop.py); here their rows are multiplied, whatever columns
they have, with ids and keys that count up. So a seeded row looks like a real one, and everything about the n-th order or
member follows from n: the functions below say how, in Python, and `Ids` in SQL.
"""

import time
from dataclasses import dataclass, field

BUYERS = 256
"""How many of the members order; the first ones."""

FIRST_NUMBER = 1000
"""Below it are the numbers of what was ordered over HTTP."""

ORDER, MEMBER, OTHER, SMALL = (f"{first}-0000-7000-8" for first in ("01900000", "01800000", "01910000", "01920000"))


def order_id(n):
    return f"{ORDER}000-{n:012}"


def member_id(n):
    return f"{MEMBER}000-{n:012}"


def credit_key(n):
    return f"K{n:012}"


def customer_number(n):
    return f"C{n:012}"


def email(n):
    return f"buyer{n}@minato.example"


LETTERS = ("% 2000 + 19968", "* 37 % 3000 + 20100", "% 80 + 12450", "* 37 % 41 + 12490")
"""Of a member's number: the two letters of its name that change, and of how it is read; no two pairs are alike."""


def letters(n):
    return [chr(n % 2000 + 19968), chr(n * 37 % 3000 + 20100), chr(n % 80 + 12450), chr(n * 37 % 41 + 12490)]


def member_of(n, members):
    return 1 + n * 7919 % members


class Ids:
    """The same in SQL; `n` is an expression."""

    @staticmethod
    def uuid(prefix, n):
        return f"('{prefix}' || '000-' || lpad(({n})::text, 12, '0'))::uuid"

    @staticmethod
    def key(letter, n):
        return f"('{letter}' || lpad(({n})::text, 12, '0'))"

    @staticmethod
    def member_of(n, members):
        return f"(1 + {n} * 7919::bigint % {members})"


def columns_of(psql, table):
    """Those that can be written, with their types."""
    return psql.rows("SELECT attname, atttypid::regtype FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND "
                     f"attgenerated = '' AND attrelid = '{table}'::regclass ORDER BY attnum")


def copied(psql, table, changed, source, moved):
    """An INSERT of the rows of `source` (which has those of the table as `t`), with columns changed and times moved."""
    columns = columns_of(psql, table)
    values = [changed.get(name) or (f"t.{name} + {moved}" if kind.startswith("timestamp") and moved else f"t.{name}")
              for name, kind in columns]
    return f"INSERT INTO {table} ({', '.join(name for name, _ in columns)}) SELECT {', '.join(values)} FROM {source};\n"


@dataclass
class Sizes:
    """How much there is: of the orders the newest `unconfirmed` await their confirmation, nothing being odd about them.
    They were placed within 20 days, the others in the 700 days before."""

    members: int
    orders: int
    unconfirmed: int
    now: int = field(default_factory=lambda: int(time.time()) - 60)

    def __post_init__(self):
        self.older = self.orders - self.unconfirmed
        self.step = max(1, 20 * 86_400 // max(self.unconfirmed, 1))
        self.old_step = max(1, 700 * 86_400 // max(self.older, 1))

    def placed(self, n):
        """When the n-th of the unconfirmed orders was placed, in seconds since 1970."""
        return self.now - (self.orders - n) * self.step

    def placed_sql(self, n):
        """The same for SQL and for pgbench."""
        return f"({self.now} - ({self.orders} - {n}) * {self.step})"


class Seed:
    """What is to be there, and the statements for it."""

    def __init__(self, psql, store, sizes, depth=9):
        """`depth`: how many rows of history an order has at most in each table."""
        self.psql, self.store, self.sizes, self.depth = psql, store, sizes, depth
        self.members, self.orders = sizes.members, sizes.orders

    def run(self, examples):
        """`examples`: the ids of the orders `paid`, `confirmed`, `transfer`, and of the `member`."""
        older, sizes = self.sizes.older, self.sizes
        kind = (f"CASE WHEN s.n > {older} THEN 'paid' WHEN s.n % 10 = 9 THEN 'transfer' ELSE 'confirmed' END")
        placed = (f"CASE WHEN s.n > {older} THEN {sizes.placed_sql('s.n')} "
                  f"ELSE {sizes.placed_sql(older)} - ({older} - s.n) * {sizes.old_step} END")
        examples_sql = ", ".join(f"('{name}', '{examples[name]}'::uuid)" for name in ("paid", "confirmed", "transfer"))
        self.psql.script(f"""
            SET session_replication_role = {self.role()}; SET synchronous_commit = off; SET work_mem = '256MB';
            {self.of_members(examples["member"])}
            CREATE TEMP TABLE example AS SELECT e.kind, o.* FROM (VALUES {examples_sql}) AS e (kind, example_id)
                JOIN orders AS o ON o.store_id = '{self.store}' AND o.id = e.example_id;
            CREATE TEMP TABLE seeded AS SELECT s.n, e.kind, e.id AS example_id, to_timestamp({placed}) - e.placed_at AS moved
                FROM generate_series(1, {self.orders}) AS s (n) JOIN example AS e ON e.kind = {kind};
            {self.of_orders()}
            INSERT INTO counters (store_id, name, value) VALUES ('{self.store}', 'order', {self.orders + FIRST_NUMBER}),
                ('{self.store}', 'member', {self.members}) ON CONFLICT (store_id, name) DO UPDATE SET value = excluded.value;
            DROP TABLE example, seeded;
        """)
        self.recount()
        self.psql.run("VACUUM (ANALYZE)", "CHECKPOINT")

    def role(self):
        """Without foreign keys and triggers, which is much faster, where nothing but the log has some or all can be recounted."""
        triggers = self.psql.number("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND "
                                    "tgrelid::regclass::text NOT LIKE 'events%'")
        return "origin" if triggers and not self.recounts() else "replica"

    def recounts(self):
        """The schema's functions that count anew what it counts by itself."""
        return [name for (name,) in self.psql.rows(
            "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'recount%' "
            "AND pronargs = 0")]

    def recount(self):
        for name in self.recounts():
            self.psql.run(f"SELECT {name}")

    def of_members(self, example):
        changed = {
            "id": Ids.uuid(MEMBER, "s.n"), "number": "'M' || lpad(s.n::text, 7, '0')",
            "email_key": "'buyer' || s.n || '@minato.example'", "customer_number": Ids.key("C", "s.n"),
            "profile": "t.profile || jsonb_build_object('company_name', '株式会社' || {} || {} || '商会' || s.n, "
                       "'company_name_kana', 'カブシキガイシャ' || {} || {} || s.n, 'email', 'buyer' || s.n || "
                       "'@minato.example')".format(*(f"chr((s.n {sql})::integer)" for sql in LETTERS))}
        source = (f"members AS t, generate_series(1, {self.members}) AS s (n) "
                  f"WHERE t.store_id = '{self.store}' AND t.id = '{example}'")
        return copied(self.psql, "members", changed, source, f"(s.n - {self.members}) * interval '5 minutes'")

    def of_orders(self):
        member = Ids.member_of("s.n", self.members)
        order, its_member = Ids.uuid(ORDER, "s.n"), Ids.uuid(MEMBER, member)
        buys, odd = Ids.key("C", member), "s.kind = 'confirmed' AND s.n"
        mine = f"JOIN seeded AS s ON s.example_id = t.{{}} WHERE t.store_id = '{self.store}'"
        orders = {
            "id": order, "number": f"lpad((s.n + {FIRST_NUMBER})::text, 8, '0')", "member_id": its_member,
            "handling_status": f"CASE WHEN {odd} % 20 = 4 THEN 'cancelled' WHEN s.kind = 'confirmed' THEN 'completed' "
                               "ELSE 'new' END"}
        payments = {
            "order_id": order, "credit_key": Ids.key("K", "s.n"), "customer_number": buys,
            "status": f"CASE WHEN {odd} % 20 = 4 THEN 'cancelled' ELSE t.status END",
            "amount": f"CASE WHEN {odd} % 1000 = 3 THEN t.amount - 100 ELSE t.amount END",
            "flag": f"CASE WHEN {odd} % 5000 = 7 THEN 'moved_back' ELSE t.flag END",
            "order_label": orders["handling_status"],
            "order_day": "((t.created_at + s.moved) AT TIME ZONE INTERVAL '9 hours')::date"}
        statements = copied(self.psql, "orders", orders, f"orders AS t {mine.format('id')} ORDER BY s.n", "s.moved")
        statements += copied(self.psql, "payments", payments, f"payments AS t {mine.format('order_id')} ORDER BY s.n",
                             "s.moved")
        return statements + self.of_history("operations", "order_id", "id", order) + \
            self.of_history("provider_calls", "order_id", "id", order) + \
            self.of_history("events", "subject_id", "seq", order)

    def of_history(self, table, about, ordered, order):
        """Rows of a table that tell of an order, each with a place `k` in its history."""
        source = (f"(SELECT *, row_number() OVER (PARTITION BY {about} ORDER BY {ordered}) AS k FROM {table} WHERE store_id = "
                  f"'{self.store}') AS t JOIN seeded AS s ON s.example_id = t.{about} AND t.k <= {self.depth} ORDER BY s.n, k")
        changed = {about: order, "id": Ids.uuid(OTHER, "s.n * 16 + t.k"), "seq": "nextval('event_seq')",
                   "paid_key": Ids.key("K", "s.n")}
        if table == "provider_calls":
            member = Ids.uuid(MEMBER, Ids.member_of("s.n", self.members))
            changed["member_id"] = f"CASE WHEN t.member_id IS NOT NULL THEN {member} END"
            changed["operation_id"] = f"CASE WHEN t.operation_id IS NOT NULL THEN {Ids.uuid(OTHER, 's.n * 16 + 1')} END"
        return copied(self.psql, table, changed, source, "s.moved")

    def small_stores(self, count, orders=20, members=5):
        """Further stores that have some members and orders each, copied from the first ones of this one."""
        below = f"<= '{member_id(members)}'"
        between = f"BETWEEN '{order_id(1)}' AND '{order_id(orders)}'"
        tables = (("paid_settings", "TRUE"), ("counters", "TRUE"), ("members", f"t.id {below}"), ("orders", f"t.id {between}"),
                  ("payments", f"t.order_id {between}"), ("operations", f"t.order_id {between}"),
                  ("provider_calls", f"t.order_id {between}"), ("events", f"t.subject_id {between}"))
        # Ids of their own: what is the same in all stores would mislead the planner.
        changed = {"store_id": "s.store_id", "seq": "nextval('event_seq')"} | {
            name: f"CASE WHEN t.{name} IS NOT NULL THEN {Ids.uuid(SMALL, f's.n * 100000 + right(t.{name}::text, 5)::bigint')} END"
            for name in ("id", "order_id", "member_id", "subject_id", "operation_id")}
        of_orders = changed | {"member_id": Ids.uuid(SMALL, f"s.n * 100000 + 1 + s.n % {members}")}
        store = {"store_id": "s.store_id", "slug": "'small-' || s.n", "publishable_key": "'pk_small_' || s.n"}
        source = f"{{}} AS t, small AS s WHERE t.store_id = '{self.store}' AND {{}}"
        self.psql.script(f"""
            SET session_replication_role = {self.role()}; SET synchronous_commit = off; SET work_mem = '256MB';
            CREATE TEMP TABLE small AS SELECT gen_random_uuid() AS store_id, n FROM generate_series(1, {count}) AS n;
            {copied(self.psql, "stores", store, source.format("stores", "TRUE"), None)}
            {"".join(copied(self.psql, table, of_orders if table == "orders" else changed, source.format(table, where), None)
                     for table, where in tables)}
            DROP TABLE small;
        """)
        self.recount()
