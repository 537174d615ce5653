#!/usr/bin/env python3
"""Draws where the time of a route goes, in the service and in PostgreSQL: docs/performance/get.svg, list.svg, place.svg and
import.svg.

Run by `script/bench flame`. Starts everything as `script/bench load` does, with a smaller store, and samples the processes
with perf while they are under load. Needs the right to do so: root, or a low kernel.perf_event_paranoid.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import command
import flamegraph
from command import say
from drive import drive
from people import write_members
from postgres import Cluster
from routes import ROUTE, Subjects
from running import Api, Service, WrongResult, children_of
from seed import Seed, Sizes
from shop import Shop


class Bench:
    """A service with a store, and what is sampled of it."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cluster, self.service = Cluster(folder, options.postgres), None
        self.sizes = Sizes(2_000, 20_000, 10_000)

    def prepare(self):
        self.cluster.start()
        self.cluster.psql("postgres").run("CREATE DATABASE present")
        self.service = Service(self.options.binary, self.folder, {
            "DATABASE_URL": self.cluster.url("present"), "KAKEURI_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()})
        self.service.start()
        shop = Shop(self.service)
        Seed(self.cluster.psql("present"), shop.store, self.sizes).run(shop.open(self.service))
        shop.at_paid(range(1, self.sizes.members + 1))
        shop.logins(self.service)
        self.subjects = Subjects(shop, self.sizes)

    @contextmanager
    def sampled(self, name, title):
        """Samples the service and the server's processes that there are by now; draws it in the end."""
        data = self.folder / "perf.data"
        pids = ",".join(map(str, (self.service.pid, *children_of(self.cluster.process.pid))))
        perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "199", "--call-graph", "dwarf,32768", "-o", data,
                                 "-p", pids], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        yield
        perf.send_signal(signal.SIGINT)
        complaint = perf.communicate(timeout=120)[1]
        if not data.exists():
            raise WrongResult(f"perf record: {complaint}")
        say(f"Reading the samples of {name}")
        stacks = self.stacks(data)
        data.unlink()
        target = self.options.folder / f"{name}.svg"
        target.write_text(flamegraph.draw(stacks, title), encoding="utf-8")
        of_service = sum(count for stack, count in stacks.items() if stack[0] == "kakeuri")
        print(f"{target.name}: {sum(stacks.values()):,} samples, {of_service / sum(stacks.values()):.0%} in the service, "
              f"{target.stat().st_size / 1024:.0f} KiB")
        for who in dict.fromkeys(stack[0] for stack in stacks):
            print(f"  {who}: " + ", ".join(f"{name} {share:.1%}" for name, share in flamegraph.leaves(stacks, who)))

    def stacks(self, data):
        """How often each stack was met, from the process down."""
        script = subprocess.Popen(["perf", "script", "--no-inline", "-F", "comm,ip,sym", "-i", data], text=True,
                                  errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        readable = script.stdout
        if shutil.which("c++filt"):
            readable = subprocess.Popen(["c++filt"], text=True, errors="replace", stdin=script.stdout,
                                        stdout=subprocess.PIPE).stdout
        return Counter(flamegraph.stacks(readable))

    def of_route(self, name):
        route = ROUTE[name]
        drive(self.folder, self.service.address, self.subjects.plan(route), 32, 2)
        with self.sampled(name, f"{route.title}, 32 connections"):
            drive(self.folder, self.service.address, self.subjects.plan(route), 32, self.options.seconds)

    def of_import(self):
        file, api = self.folder / "members.csv", Api(self.service.address, self.subjects.shop.owner_token)
        write_members(file, self.options.members)
        # The processes of the server that work on jobs are there once they have worked.
        few = self.folder / "few.csv"
        write_members(few, 500)
        self.import_members(api, few)
        with self.sampled("import", f"import of {self.options.members:,} members"):
            self.import_members(api, file)

    def import_members(self, api, file):
        job = api.upload("/v1/admin/members/import", file)
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = api.call("GET", f"/v1/admin/jobs/{job['id']}")

    def run(self):
        say("Starting everything")
        self.prepare()
        self.options.folder.mkdir(parents=True, exist_ok=True)
        for name in self.options.only:
            say(f"Sampling {name}")
            if name == "import":
                self.of_import()
            else:
                self.of_route(name)

    def last_words(self):
        return self.service.last_words() if self.service else ""

    def report(self):
        """The pictures are all there is."""
        return ""

    def stop(self):
        if self.service:
            self.service.stop()
        self.cluster.stop()


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/performance"), help="where the pictures go")
    parser.add_argument("--seconds", type=int, default=8, help="of load for each")
    parser.add_argument("--members", type=int, default=50_000, help="imported")
    parser.add_argument("--only", nargs="+", default=["get", "list", "place", "import"])
    parser.add_argument("--postgres", action="append", default=[], help="NAME=VALUE for postgresql.conf")
    parser.add_argument("--quick", action="store_true", help="does it run")
    found = parser.parse_args()
    if found.quick:
        found.seconds, found.members = 2, 2_000
    return found


if __name__ == "__main__":
    sys.exit(command.measure(Bench, options()))
