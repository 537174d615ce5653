#!/usr/bin/env python3
"""Measures what grows with the data: the reads of a shop's day, one at a time, in one store with more and more orders beside
ten thousand small stores.

Run by `script/bench growth`. Each size is a database of its own on a PostgreSQL with fsync on, in a temporary folder. The
table goes to standard output, as Markdown; what is being done goes to standard error. Times decide nothing about the exit
code; wrong results do.
"""

import base64
import math
import os
import random
import sys
import time
from datetime import datetime, timedelta

import command
import seed
from command import say
from ordinary import percentile
from people import write_members
from postgres import Cluster
from running import Api, Service, WrongResult
from shop import Shop
from table import markdown

SIZES = ((20_000, 10_000), (200_000, 100_000), (2_000_000, 300_000))
"""Orders and members of the one store."""


def cell(sample):
    median, worst = percentile(sample, 50), percentile(sample, 99)
    return "given up (503)" if math.isinf(worst) else f"{median:.1f} / {worst:.1f}"


def reads(sizes, job):
    """What is asked for, by its name: a path, made anew for each request."""
    def order():
        return seed.order_id(random.randint(1, sizes.orders))

    def member():
        return random.randint(1, sizes.members)

    def day(back):
        return (datetime.now() - timedelta(days=back)).date().isoformat()

    orders, members, events = "/v1/admin/orders", "/v1/admin/members", "/v1/admin/events"
    return {
        "summary": lambda: "/v1/admin/summary",
        "reconciliation": lambda: "/v1/admin/reconciliation",
        "reconciliation, with total": lambda: "/v1/admin/reconciliation?include_total=true",
        "members, q of one": lambda: f"{members}?q=buyer{member()}%40",
        "members, q of all": lambda: f"{members}?q=%E5%95%86%E4%BC%9A",
        "members, q of none": lambda: f"{members}?q=nobody{member()}%40",
        "order by id": lambda: f"{orders}/{order()}",
        "timeline of an order": lambda: f"{orders}/{order()}/timeline",
        "orders": lambda: orders,
        "orders, with total": lambda: f"{orders}?include_total=true",
        "payment_status=unconfirmed": lambda: f"{orders}?payment_status=unconfirmed",
        "payment_status=unconfirmed, with total": lambda: f"{orders}?payment_status=unconfirmed&include_total=true",
        "payment_status=confirmed, with total": lambda: f"{orders}?payment_status=confirmed&include_total=true",
        "payment_status=processing (none)": lambda: f"{orders}?payment_status=processing",
        "handling_status=new": lambda: f"{orders}?handling_status=new",
        "handling_status=completed, with total": lambda: f"{orders}?handling_status=completed&include_total=true",
        "handling_status=in_progress (none)": lambda: f"{orders}?handling_status=in_progress",
        "payment_method=bank_transfer": lambda: f"{orders}?payment_method=bank_transfer",
        "payment_method=cash_on_delivery (none)": lambda: f"{orders}?payment_method=cash_on_delivery",
        "payment_method=paid, with total": lambda: f"{orders}?payment_method=paid&include_total=true",
        "member_id": lambda: f"{orders}?member_id={seed.member_id(member())}&include_total=true",
        "amount_mismatch": lambda: f"{orders}?amount_mismatch=true",
        "amount_mismatch, with total": lambda: f"{orders}?amount_mismatch=true&include_total=true",
        "placed on a day": lambda: f"{orders}?placed_from={day(400)}&placed_to={day(400)}",
        "placed since a year, with total": lambda: f"{orders}?placed_from={day(365)}&include_total=true",
        "placed that day, unconfirmed (none)":
            lambda: f"{orders}?placed_from={day(400)}&placed_to={day(400)}&payment_status=unconfirmed",
        "orders, q of one number":
            lambda: f"{orders}?q={random.randint(1, sizes.orders) + seed.FIRST_NUMBER:08}",
        "orders, q of a member": lambda: f"{orders}?q=buyer{member()}%40",
        "events": lambda: events,
        "events of an order": lambda: f"{events}?subject={order()}",
        "events of a type": lambda: f"{events}?type=payment.confirmed",
        "events of a type (none)": lambda: f"{events}?type=member.deleted",
        "events of a day": lambda: f"{events}?from={day(400)}&to={day(400)}",
        "items of a job, with total": lambda: f"/v1/admin/jobs/{job}/items?include_total=true",
        "items of a job, refused": lambda: f"/v1/admin/jobs/{job}/items?outcome=refused",
    }


class Bench:
    """One run: a service after the other, each on more rows."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cluster, self.service = Cluster(folder, options.postgres), None
        self.latencies, self.about = {}, {}

    def one_size(self, orders, members):
        say(f"Making {orders:,} orders and {members:,} members beside {self.options.stores:,} stores")
        name, options = f"orders_{orders}", self.options
        self.cluster.psql("postgres").run(f"CREATE DATABASE {name}")
        psql, folder = self.cluster.psql(name), self.folder / name
        folder.mkdir()
        self.service = Service(options.binary, folder, {
            "DATABASE_URL": self.cluster.url(name), "KAKEURI_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()})
        self.service.start()
        shop = Shop(self.service)
        sizes = seed.Sizes(members, orders, orders // 20)
        seeding, begun = seed.Seed(psql, shop.store, sizes, depth=1), time.monotonic()
        seeding.run(shop.open(self.service))
        seeding.small_stores(options.stores)
        psql.run("VACUUM (ANALYZE)", "CHECKPOINT")
        size = psql.text("SELECT pg_size_pretty(pg_database_size(current_database()))")
        self.about[orders] = f"{orders:,} orders, {members:,} members: {size}, made in {time.monotonic() - begun:.0f} s"
        shop.logins(self.service, 0)
        api = Api(self.service.address, shop.owner_token)
        self.check(api, psql, shop.store)
        for what, path in reads(sizes, self.job(api)).items():
            self.latencies[what, orders] = self.measure(api, path)
        self.service.stop()
        psql = self.cluster.psql("postgres")
        psql.run(f"DROP DATABASE {name}")

    def job(self, api):
        """A job of a thousand items that has ended."""
        file = self.folder / "members.csv"
        write_members(file, 1_000)
        job = api.upload("/v1/admin/members/import?dry_run=true", file)
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = api.call("GET", f"/v1/admin/jobs/{job['id']}")
        return job["id"]

    def check(self, api, psql, store):
        """What is seeded behind the service's back is counted by it all the same."""
        told = {row["status"]: row["count"] for row in api.call("GET", "/v1/admin/summary")["payments"] if row["count"]}
        there = {status: int(count) for status, count in psql.rows(
            f"SELECT status, count(*) FROM payments WHERE store_id = '{store}' GROUP BY status")}
        if told != there:
            raise WrongResult(f"the summary counts {told} where there are {there}")

    def measure(self, api, path):
        """Latencies in milliseconds, one request after the other; the first ones do not count. Infinite where the service
        gave one up."""
        latencies, warm = [], 6
        give_up_at = time.monotonic() + self.options.seconds
        while len(latencies) < warm + self.options.requests and (len(latencies) < 2 or time.monotonic() < give_up_at):
            asked, begun = path(), time.monotonic()
            try:
                api.call("GET", asked)
            except WrongResult as wrong:
                if "answers 503" not in str(wrong):
                    raise
                say(f"Refused: {asked}")
                return [math.inf]
            latencies.append(1000 * (time.monotonic() - begun))
        return latencies[min(warm, len(latencies) // 2):]

    def run(self):
        self.cluster.start()
        for orders, members in self.options.sizes:
            self.one_size(orders, members)

    def last_words(self):
        return self.service.last_words() if self.service else ""

    def stop(self):
        if self.service:
            self.service.stop()
        self.cluster.stop()

    def report(self):
        about = (f"{command.here_and_now()}; one request at a time, up to "
                 f"{self.options.requests} of each within {self.options.seconds} s; p50 / p99 in ms, the HTTP client's own "
                 f"time among it; beside {self.options.stores:,} stores of 20 orders each. "
                 f"{' '.join(self.options.postgres) or 'PostgreSQL as it is'}. {'; '.join(self.about.values())}.")
        rows = [("read", *(f"{orders:,} orders" for orders, _ in self.options.sizes))]
        for what in dict.fromkeys(what for what, _ in self.latencies):
            found = (self.latencies[what, orders] for orders, _ in self.options.sizes)
            rows.append((what, *map(cell, found)))
        return f"{about}\n\n{markdown(rows)}"


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--stores", type=int, default=10_000, help="small ones beside")
    parser.add_argument("--requests", type=int, default=100, help="of each kind at most")
    parser.add_argument("--seconds", type=int, default=4, help="for each kind at most")
    parser.add_argument("--largest", type=int, default=2_000_000, help="sizes beyond this one are left out")
    parser.add_argument("--postgres", action="append", default=[], help="NAME=VALUE for postgresql.conf")
    parser.add_argument("--quick", action="store_true", help="does it run: two small sizes")
    found = parser.parse_args()
    found.sizes = [size for size in SIZES if size[0] <= found.largest]
    if found.quick:
        found.sizes, found.stores, found.requests, found.seconds = [(2_000, 1_000), (20_000, 10_000)], 200, 15, 1
    return found


if __name__ == "__main__":
    sys.exit(command.measure(Bench, options()))
