#!/usr/bin/env python3
"""Measures bulk work on members: import, export, refresh, the memory they take, and what ordinary requests feel of it.

Run by script/bench. Starts a service with its embedded PostgreSQL and a Paid sandbox, each a process of its own, in a
temporary folder, and measures them beside psql on the same server. The table goes to standard output, as Markdown;
what is being done goes to standard error. Times decide nothing about the exit code; wrong results do.
"""

import json
import math
import sys
import threading
import time
from collections import defaultdict
from datetime import datetime

import command
from command import say
from ordinary import drive
from people import COLUMNS, differences, write_members
from postgres import EmbeddedPsql
from running import Api, PeakMemory, Service, WrongResult, cpu_seconds, in_parallel
from table import table

PATIENCE = 600
"""How many seconds a job may take before it counts as hanging."""


def shall(condition, complaint):
    if not condition:
        raise WrongResult(complaint)


def seconds(moment):
    """Of an API's moment, since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


class Bench:
    """One run: what is started, and every figure that was taken, by name and round."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.service = Service(options.binary, folder, {
            "KAKEURI_PAID_BATCH": str(options.batch), "KAKEURI_PAID_CONCURRENCY": str(options.concurrency),
            "RUST_LOG": "warn"})
        self.psql = EmbeddedPsql(self.service)
        self.figures = defaultdict(list)
        self.stores = 0

    def note(self, name, value):
        self.figures[name].append(value)

    def memory(self, phase):
        return PeakMemory(self.note, phase, self.service.pid, self.psql.server())

    def settle(self):
        """Nothing that one measurement left behind is paid for by the next."""
        self.psql.run("VACUUM (ANALYZE)", "CHECKPOINT")

    def new_store(self):
        """An API of a store of its own, with Paid switched on."""
        self.stores += 1
        slug = f"bench-{self.stores:04}"
        store = json.loads(self.service.command("store", "create", "--slug", slug, "--name", "ベンチ商店", "--json"))
        api = Api(self.service.address, self.service.command("token", "admin", "--store", slug).strip())
        api.store, api.merchant = store["store_id"], slug.replace("-", "")
        settings = {"merchant_id": slug, "api_auth_code": api.merchant, "environment": "sandbox", "enabled": True,
                    "enable_for_new_members": False, "show_member_banner": False}
        api.call("PUT", "/v1/admin/settings/paid", settings)
        return api

    def finished(self, api, job, total):
        """Waits for a job, and is content only if all of it succeeded."""
        give_up_at = time.monotonic() + PATIENCE
        while job["state"] in ("queued", "running"):
            shall(time.monotonic() < give_up_at, f"the job still runs after {PATIENCE} s: {job}")
            time.sleep(0.02)
            job = api.call("GET", f"/v1/admin/jobs/{job['id']}")
        if (job["state"], job["succeeded"], job["total"]) != ("succeeded", total, total):
            items = api.call("GET", f"/v1/admin/jobs/{job['id']}/items?outcome=refused&limit=3")["data"]
            raise WrongResult(f"the job should have succeeded with {total} items: {job}; refused: {items}")
        return job

    def import_members(self, api, file, total):
        """From the first byte of the upload until the job is seen to have ended, and what that time went to."""
        begun, begun_at = time.monotonic(), time.time()
        job = api.upload("/v1/admin/members/import", file)
        accepted_at = time.time()
        job = self.finished(api, job, total)
        ended = time.monotonic()
        started_at, finished_at = seconds(job["started_at"]), seconds(job["finished_at"])
        return {"import": ended - begun, "import: upload": accepted_at - begun_at,
                "import: waiting": max(0.0, started_at - accepted_at), "import: job": finished_at - started_at}

    # What is measured: each takes one round.

    def measure_copy_in(self, file):
        """Into a bare table: text columns, no index, no checks, but logged like any other."""
        self.psql.run("TRUNCATE bare")
        self.settle()
        with self.psql.wal(self.note, "copy in: wal"):
            self.note("copy in", self.psql.timed(f"\\copy bare FROM '{file}' CSV HEADER"))
        shall(self.psql.number("SELECT count(*) FROM bare") == self.options.members, "psql's copy lost rows")

    def measure_import(self, file):
        api = self.new_store()
        self.settle()
        cpu = cpu_seconds(self.service.pid)
        with self.memory("import"), self.psql.wal(self.note, "import: wal"):
            figures = self.import_members(api, file, self.options.members)
        self.note("import: cpu", cpu_seconds(self.service.pid) - cpu)
        for name, value in figures.items():
            self.note(name, value)
        stored = self.psql.number(f"SELECT count(*) FROM members WHERE store_id = '{api.store}'")
        shall(stored == self.options.members, f"{stored} members are stored")
        return api

    def measure_copy_in_as_stored(self, api):
        """All rows that the import made, into tables with the same columns, checks and indexes: members, items, events."""
        taken = 0
        for table in ("members", "job_items", "events"):
            columns = self.psql.text("SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE "
                                     f"table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'")
            rows = self.folder / "rows.copy"
            self.psql.run(f"\\copy (SELECT {columns} FROM {table} WHERE store_id = '{api.store}') TO '{rows}'",
                          "DROP TABLE IF EXISTS as_stored", f"CREATE TABLE as_stored (LIKE {table} INCLUDING ALL)")
            self.settle()
            taken += self.psql.timed(f"\\copy as_stored ({columns}) FROM '{rows}'")
            self.psql.run("DROP TABLE as_stored")
        self.note("copy in as stored", taken)

    def measure_copy_out(self):
        self.settle()
        self.note("copy out", self.psql.timed(f"\\copy bare TO '{self.folder / 'bare.csv'}' CSV HEADER"))

    def measure_export(self, api, file):
        exported = self.folder / "export.csv"
        self.settle()
        cpu = cpu_seconds(self.service.pid)
        with self.memory("export"):
            begun = time.monotonic()
            first_byte = api.download("/v1/admin/members/export", exported)
            self.note("export", time.monotonic() - begun)
        self.note("export: first byte", first_byte - begun)
        self.note("export: cpu", cpu_seconds(self.service.pid) - cpu)
        complaint = differences(file, exported)
        shall(complaint is None, f"the export is not what was imported: {complaint}")

    def measure_refresh(self, file, numbers):
        """Members that Paid has just approved, then once more with nothing new, then the bare calls."""
        api, total = self.new_store(), self.options.refresh
        self.import_members(api, file, total)
        sandbox = f"/_sandbox/{api.merchant}"
        paid = Api(self.service.sandbox)
        paid.call("PUT", f"{sandbox}/members", {"data": [{"b2bMemberId": number} for number in numbers]})
        paid.call("POST", f"{sandbox}/faults", {"operation": "any", "kind": "delay", "delay_ms": self.options.latency})
        for name in ("refresh", "refresh again"):
            self.settle()
            cpu = cpu_seconds(self.service.pid)
            with self.memory(name):
                begun, begun_at = time.monotonic(), time.time()
                job = self.finished(api, api.call("POST", "/v1/admin/members/paid/refresh", {}), total)
                self.note(name, time.monotonic() - begun)
            self.note(f"{name}: cpu", cpu_seconds(self.service.pid) - cpu)
            self.note(f"{name}: waiting", seconds(job["started_at"]) - begun_at)
        calls = paid.call("GET", f"{sandbox}/calls")["data"]
        self.note("refresh: calls", len(calls) / 2)
        at_once = paid.call("GET", f"{sandbox}/load")["most_in_flight"]
        shall(at_once <= self.options.concurrency, f"{at_once} calls were at Paid at once")
        active = api.call("GET", "/v1/admin/members?application_status=approved_active&include_total=true&limit=1")
        shall(active["total"] == total, f"{active['total']} of {total} members have Paid's answer")
        self.measure_bare_calls(api.merchant, numbers)

    def measure_bare_calls(self, merchant, numbers):
        """What the same batches take from this script, without a service: what the latency comes to on this machine."""
        batches = [numbers[at:at + self.options.batch] for at in range(0, len(numbers), self.options.batch)]

        def ask(paid, batch):
            body = {"header": {"apiAuthCode": merchant}, "body": {"b2bMemberIds": batch}}
            paid.call("POST", "/y/coop/member/check/ver1.0/p.json", body)

        begun = time.monotonic()
        in_parallel(self.options.concurrency, batches, ask, self.service.sandbox)
        self.note("bare calls", time.monotonic() - begun)

    def measure_ordinary_requests(self, busy, file):
        """Latencies of another store's requests, at a fixed pace: first alone, then beside one import after another."""
        address, pace, length = self.service.address, self.options.pace, self.options.seconds
        self.settle()
        self.figures["latency in quiet"] += drive(address, busy, pace, length)
        # Made before, as making one takes a process. Beside the requests no import is faster than it was alone.
        stores = [self.new_store() for _ in range(math.ceil(length / min(self.figures["import"])) + 2)]
        self.settle()
        stop, done, failures = threading.Event(), [], []

        def import_on_end():
            try:
                while stores and not stop.is_set():
                    done.append(self.import_members(stores.pop(), file, self.options.members))
                shall(stop.is_set(), "there were too few stores to import into")
            except Exception as error:
                failures.append(error)

        importing = threading.Thread(target=import_on_end)
        importing.start()
        try:
            self.figures["latency beside imports"] += drive(address, busy, pace, length)
        finally:
            stop.set()
            importing.join()
        if failures:
            raise failures[0]
        self.note("imports beside requests", len(done))

    def prepare_ordinary_store(self):
        """The store whose requests are timed: members, and orders of theirs."""
        api, members = self.new_store(), []
        for at in range(200):
            member = {"company_name": f"株式会社みなと商会{at}", "email": f"buyer{at}@minato.example",
                      "phone": "045-000-1234", "contact": {"family_name": "佐藤", "given_name": "健一"}}
            members.append(api.call("POST", "/v1/admin/members", member)["id"])
        for at in range(60):
            line = {"name": "緑茶 100g", "unit_price": 800 + at, "quantity": 3, "tax_rate": 8}
            order = {"member_id": members[at], "payment_method": "bank_transfer", "lines": [line]}
            api.call("POST", "/v1/admin/orders", order, {"Idempotency-Key": f"bench-{at}"})
        return {"token": api.token, "members": members}

    def run(self):
        options = self.options
        say(f"Writing {options.members} members")
        file, to_refresh, few = (self.folder / name for name in ("members.csv", "refresh.csv", "few.csv"))
        write_members(file, options.members)
        numbers = write_members(to_refresh, options.refresh, at_paid=True)
        write_members(few, 500)
        self.size = file.stat().st_size
        say("Starting PostgreSQL, the service and the sandbox")
        self.service.start()
        self.psql.run("CREATE TABLE bare (%s)" % ", ".join(f"{column} text" for column in COLUMNS))
        busy = self.prepare_ordinary_store()
        # Pages of the binary and of shared buffers that any first use would count as its own.
        api = self.new_store()
        self.import_members(api, few, 500)
        api.download("/v1/admin/members/export", self.folder / "few-export.csv")
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}: import and export")
            self.measure_copy_in(file)
            api = self.measure_import(file)
            self.measure_copy_in_as_stored(api)
            self.measure_copy_out()
            self.measure_export(api, file)
            say(f"Round {number} of {options.rounds}: refresh")
            self.measure_refresh(to_refresh, numbers)
            say(f"Round {number} of {options.rounds}: ordinary requests")
            self.measure_ordinary_requests(busy, file)

    def last_words(self):
        return self.service.last_words()

    def stop(self):
        self.service.stop()

    def report(self):
        return f"{self.circumstances()}\n\n{table(self.options, self.figures)}"

    def circumstances(self):
        options = self.options
        version, fsync = self.psql.text("SHOW server_version"), self.psql.text("SHOW fsync")
        requests, imports = len(self.figures["latency in quiet"]), sum(self.figures["imports beside requests"])
        return (f"{command.here_and_now()}, PostgreSQL {version} with fsync "
                f"{fsync}; rounds: {options.rounds}, medians; a file of {self.size / 1e6:.0f} MB with {len(COLUMNS)} "
                f"columns; {requests} ordinary requests without and with imports ({imports} of them), {options.pace} a "
                "second.")


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--members", type=int, default=100_000, help="imported and exported")
    parser.add_argument("--refresh", type=int, default=10_000, help="members refreshed")
    parser.add_argument("--rounds", type=int, default=3, help="of everything, interleaved")
    parser.add_argument("--seconds", type=int, default=15, help="of ordinary requests a round, twice")
    parser.add_argument("--pace", type=int, default=40, help="ordinary requests a second")
    parser.add_argument("--latency", type=int, default=20, help="of the sandbox, in ms")
    parser.add_argument("--batch", type=int, default=50, help="KAKEURI_PAID_BATCH")
    parser.add_argument("--concurrency", type=int, default=4, help="KAKEURI_PAID_CONCURRENCY")
    parser.add_argument("--quick", action="store_true", help="does it run: one small round")
    found = parser.parse_args()
    if found.quick:
        found.members, found.refresh, found.rounds, found.seconds = 2_000, 500, 1, 3
    return found


if __name__ == "__main__":
    sys.exit(command.measure(Bench, options()))
