#!/usr/bin/env python3
"""Measures ordinary requests under load: each main route over 32 kept connections, beside the same statements in pgbench,
beside two peers that do the same work in other stacks, and beside an earlier service, if one is given.

Run by `script/bench load`. Starts a PostgreSQL of its own (fsync on), a Paid sandbox without delays and the services, each a
process of its own, in a temporary folder. Everybody takes turns within each round. The tables go to standard output, as
Markdown; what is being done goes to standard error. Times decide nothing about the exit code; wrong results do.
"""

import base64
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import command
import peer
import report
from command import say
from capture import Recorder
from drive import drive
from postgres import Cluster
from replay import Pgbench, Script, written, written_since
from routes import LIST, ORDERS, ROUTE, ROUTES, Subjects
from running import Service, WrongResult, children_of, cpu_seconds, tree_of
from seed import Seed, Sizes
from shop import Shop


class Side:
    """Who answers: a service or a peer."""

    def __init__(self, name, address, pid):
        self.name, self.address, self.pid = name, address, pid

    def cpu_seconds(self):
        return sum(map(cpu_seconds, tree_of(self.pid)))


class Bench:
    """One run: what is started, and every figure that was taken, by who, route and round."""

    def __init__(self, options, folder):
        self.options, self.folder, self.begun = options, folder, time.monotonic()
        self.cluster, self.key = Cluster(folder, options.postgres), base64.b64encode(os.urandom(32)).decode()
        self.sizes = Sizes(options.members, options.orders, options.unconfirmed)
        self.services, self.peers, self.sides = [], [], {}
        self.figures, self.paced = defaultdict(list), {}
        self.scripts, self.rows, self.probes, self.best = {}, {}, {}, {}

    def service(self, binary, database, sandbox=None):
        folder = self.folder / database
        folder.mkdir()
        settings = {"DATABASE_URL": self.cluster.url(database), "KAKEURI_MASTER_KEY": self.key}
        service = Service(binary, folder, settings | dict(pair.split("=", 1) for pair in self.options.setting), sandbox)
        self.services.append(service)
        return service

    # What is there before the first round.

    def prepare(self):
        """A store as large as wanted, made by the earliest service and, for the present one, moved on by its migrations."""
        say(f"Making {self.sizes.members:,} members and {self.sizes.orders:,} orders")
        self.cluster.start()
        name = "earlier" if self.options.base else "present"
        self.cluster.psql("postgres").run(f"CREATE DATABASE {name}")
        first = self.service(self.options.base or self.options.binary, name)
        first.start()
        shop = Shop(first)
        Seed(self.cluster.psql(name), shop.store, self.sizes).run(shop.open(first))
        shop.at_paid(range(1, self.sizes.members + 1))
        shop.sales_at_paid(range(self.sizes.older + 1, self.sizes.orders + 1), self.sizes.members)
        shop.logins(first)
        # With its connections, the server also counts what they wrote.
        first.pause()
        if self.options.base:
            self.cluster.psql("postgres").run("CREATE DATABASE present TEMPLATE earlier")
        first.start()
        if self.options.base:
            self.sides["earlier"] = Side("earlier", first.address, first.pid)
            self.service(self.options.binary, "present", first.sandbox).start()
        present = self.services[-1]
        self.sides = {"service": Side("service", present.address, present.pid)} | self.sides
        self.sandbox = first.sandbox_pid
        self.subjects = Subjects(shop, self.sizes)
        self.psql = self.cluster.psql("present")
        self.pgbench = Pgbench(self.cluster, "present", self.folder)

    def record(self):
        """The statements of each route, as scripts for pgbench; what a request writes, and whether the script does too."""
        say("Recording the statements")
        with Recorder(self.cluster, "present", self.services[-1]) as recorder:
            for route in ROUTES:
                before = written(self.psql)
                numbers = self.subjects.numbers(route, 14)
                request = self.subjects.request(route, recorder.service.address)
                pairs = recorder.statements(request, numbers[-2:], numbers[:-2])
                known = [self.subjects.known(route, number) for number in numbers[-2:]]
                self.scripts[route.name] = Script(recorder, pairs, known, self.subjects.choice(route))
                if route.writes:
                    recorder.renew()
                    self.rows[route.name] = [written_since(self.psql, before, len(numbers))]
        for route in (route for route in ROUTES if route.writes):
            before = written(self.psql)
            self.replay(route, 4, transactions=10)
            time.sleep(1)
            self.rows[route.name].append(written_since(self.psql, before, 40))

    def start_peers(self):
        """They tell what the service tells, and an order that they place is one like the service's."""
        service = self.services[-1]
        for name in peer.NAMES:
            self.peers.append(peer.Peer(name, self.cluster.url("present"), service, self.folder / name))
            self.sides[name] = Side(name, self.peers[-1].address, self.peers[-1].pid)
        placed = [self.subjects.request(ROUTE["place"], one.address)(1)["id"] for one in (service, *self.peers)]
        paths = [LIST, *(f"{ORDERS}/{order}" for order in placed)]
        peer.compare(self.peers, service, paths, self.subjects.shop.owner_token)

    def choose_clients(self):
        """With how many clients pgbench is fastest, for each route; and, of what only reads, in one round trip or in several."""
        say("Looking for pgbench's best")
        for route in ROUTES:
            rates, script = {}, self.scripts[route.name]
            ways = (False, True) if script.only_reads() and len(script.lines) > 1 else (False,)
            for clients in (2, 4) if route.slow else self.options.clients:
                for at_once in ways:
                    rate = max(rates.values(), default=600)
                    rates[clients, at_once] = self.replay(route, clients, self.options.probe, rate=rate, at_once=at_once)[0]
            self.best[route.name] = max(rates, key=rates.get)
            self.probes[route.name] = rates

    def replay(self, route, clients, seconds=None, transactions=None, rate=1000, at_once=False):
        """Transactions per second of pgbench, and how many there were. What uses orders up is bounded by their number and not
        by time."""
        first = 0
        if route.uses_up:
            transactions = transactions or max(1, int(rate * (seconds + 1) / clients))
            seconds, (first, _) = None, self.subjects.take(transactions * clients)
        return self.pgbench.run(self.scripts[route.name], clients, seconds, transactions, at_once, first=first,
                                orders=self.sizes.orders, members=self.sizes.members)

    # What is measured.

    def drive(self, side, route, seconds, pause=None):
        connections, seconds = (4, max(seconds, 4)) if route.slow else (self.options.connections, seconds)
        confirms = self.subjects.take(int(2500 * seconds)) if route.uses_up else None
        plan = self.subjects.plan(route, confirms) | ({"pause": pause} if pause else {})
        before = side.cpu_seconds(), self.cluster.cpu_seconds(), cpu_seconds(self.sandbox)
        measured = drive(self.folder, side.address, plan, connections, seconds)
        after = side.cpu_seconds(), self.cluster.cpu_seconds(), cpu_seconds(self.sandbox)
        if confirms:
            self.subjects.give_back(confirms[0], measured["requests"] + 2 * connections)
        cpu = [then - now for now, then in zip(before, after)] + [measured["cpu"]]
        requests = max(measured["requests"], 1)
        names = ("cpu service", "cpu postgres", "cpu sandbox", "cpu load")
        return measured | {"rate": measured["requests"] / measured["seconds"]} | {
            name: 1000 * value / requests for name, value in zip(names, cpu)}

    def measure(self, route):
        """One round of a route: everybody in turn."""
        for side in self.sides.values():
            if side.name in peer.NAMES and not route.peers:
                continue
            self.psql.run("CHECKPOINT")
            self.figures[side.name, route.name].append(self.drive(side, route, self.options.seconds))
        self.psql.run("CHECKPOINT")
        clients, at_once = self.best[route.name]
        expected, before = self.probes[route.name][clients, at_once], self.cluster.cpu_seconds()
        processes = len(children_of(self.cluster.process.pid))
        rate, count = self.replay(route, clients, self.options.seconds, rate=expected, at_once=at_once)
        self.cluster.settle(processes)
        cpu = 1000 * (self.cluster.cpu_seconds() - before) / count
        self.figures["pgbench", route.name].append({"rate": rate, "cpu postgres": cpu})

    def measure_below_saturation(self):
        """Latencies where a third of the possible is asked for: without a queue of 32."""
        say("Once more at a third of that load")
        for route in ROUTES:
            rate = median(figures["rate"] for figures in self.figures["service", route.name]) / 3
            if not rate:
                raise WrongResult(f"{route.title}: nothing was answered in {self.options.seconds} s")
            pause = max(1, round(1000 * (4 if route.slow else self.options.connections) / rate))
            self.paced[route.name] = self.drive(self.sides["service"], route, self.options.seconds, pause)

    def check(self):
        """Nothing was left half done: everybody was answered, so all sales are made."""
        for table, condition in (("payments", "status = 'processing'"), ("operations", "state IN ('open', 'stuck')")):
            left = self.psql.number(f"SELECT count(*) FROM {table} WHERE {condition}")
            if left:
                raise WrongResult(f"{left} rows of {table} are left with {condition}")

    def run(self):
        self.prepare()
        self.record()
        if not self.options.no_peers:
            say("Starting the peers")
            self.start_peers()
        self.choose_clients()
        say("Warming up")
        for route in ROUTES:
            for side in self.sides.values():
                if side.name not in peer.NAMES or route.peers:
                    self.drive(side, route, 2)
        for number in range(1, self.options.rounds + 1):
            say(f"Round {number} of {self.options.rounds}")
            self.psql.run("VACUUM (ANALYZE)")
            for route in ROUTES:
                self.measure(route)
        self.measure_below_saturation()
        self.check()

    def report(self):
        return report.of(self, time.monotonic() - self.begun)

    def last_words(self):
        return self.services[-1].last_words() if self.services else ""

    def stop(self):
        for process in [*self.peers, *reversed(self.services)]:
            process.stop()
        self.cluster.stop()


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--base", type=Path, help="an earlier service, to be measured beside")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--unconfirmed", type=int, default=100_000, help="of the orders, those that can be confirmed")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3, help="of everything, interleaved")
    parser.add_argument("--seconds", type=int, default=4, help="of each route in a round")
    parser.add_argument("--clients", type=int, nargs="+", default=[4, 8, 16, 32], help="of pgbench, of which the best is taken")
    parser.add_argument("--probe", type=int, default=2, help="seconds to find that out")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--setting", action="append", default=[], help="NAME=VALUE for the service's environment")
    parser.add_argument("--postgres", action="append", default=[], help="NAME=VALUE for postgresql.conf")
    parser.add_argument("--quick", action="store_true", help="does it run: one small round")
    found = parser.parse_args()
    if found.quick:
        found.members, found.orders, found.unconfirmed = 2_000, 30_000, 27_000
        found.rounds, found.seconds, found.clients, found.probe = 1, 2, [8], 1
    found.base = found.base and found.base.resolve()
    return found


if __name__ == "__main__":
    sys.exit(command.measure(Bench, options()))
