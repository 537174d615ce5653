#!/usr/bin/env python3
"""Measures how long the service takes to be ready, and what it takes while nobody asks anything of it.

Run by script/bench. Everything is in a temporary folder. The table goes to standard output, as Markdown; what is being
done goes to standard error. Times decide nothing about the exit code.
"""

import base64
import http.client
import os
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import command
from command import say
from postgres import Cluster
from running import Service, WrongResult, cpu_seconds, of_status
from table import markdown

REST = 10
"""How many seconds a process is watched while nothing happens."""


def wake_ups(pid):
    """How often its threads have gone to sleep of their own accord."""
    told = [(thread / "status").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]) for status in told)


KEY = base64.b64encode(os.urandom(32)).decode()


class Bench:
    """One run: every figure that was taken, by name."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cluster, self.services, self.figures = Cluster(folder), [], defaultdict(list)

    def service(self, name, settings):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        # No sandbox beside: Paid is not asked.
        service = Service(self.options.binary, folder, settings | {"RUST_LOG": "warn"}, sandbox="127.0.0.1:9")
        self.services.append(service)
        return service

    def timed_start(self, service, name):
        """From the start of the process until it says that it is ready."""
        begun = time.monotonic()
        process = service.launch("serve")
        while True:
            if process.poll() is not None or time.monotonic() > begun + 120:
                raise WrongResult("the service did not become ready")
            try:
                asked = http.client.HTTPConnection(service.address, timeout=5)
                asked.request("GET", "/readyz")
                if asked.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.002)
            finally:
                asked.close()
        self.figures[name].append(time.monotonic() - begun)
        return process.pid

    def watch_at_rest(self, pid):
        """After a moment in which what the start left behind is done."""
        time.sleep(3)
        cpu, woken = cpu_seconds(pid), wake_ups(pid)
        time.sleep(REST)
        self.figures["memory"].append(of_status(pid, "VmRSS"))
        self.figures["cpu"].append((cpu_seconds(pid) - cpu) / REST)
        self.figures["wake-ups"].append((wake_ups(pid) - woken) / REST)

    def run(self):
        self.cluster.start()
        for number in range(1, self.options.rounds + 1):
            say(f"Round {number} of {self.options.rounds}")
            cold = self.service(f"cold-{number}", {})
            self.timed_start(cold, "cold")
            cold.pause()
            self.timed_start(cold, "embedded")
            cold.pause()
            name = f"round_{number}"
            self.cluster.psql("postgres").run(f"CREATE DATABASE {name}")
            warm = self.service(f"warm-{number}", {"DATABASE_URL": self.cluster.url(name), "KAKEURI_MASTER_KEY": KEY})
            self.timed_start(warm, "migrated")
            warm.pause()
            pid = self.timed_start(warm, "warm")
            self.watch_at_rest(pid)
            warm.pause()

    def last_words(self):
        return self.services[-1].last_words() if self.services else ""

    def stop(self):
        for service in self.services:
            service.stop()
        self.cluster.stop()

    def report(self):
        def seconds(name):
            return f"{median(self.figures[name]):.2f} s"

        rows = [
            ("from the start of the process to `/readyz`", "reached", "aim"),
            ("the database is there and is up to date", seconds("warm"), "< 0.1 s"),
            ("– is empty, and gets its tables", seconds("migrated"), ""),
            ("its own PostgreSQL, which was there before", seconds("embedded"), ""),
            ("– which is made first", seconds("cold"), "< 1.5 s"),
            ("at rest: memory", f"{median(self.figures['memory']) / 2**20:.0f} MiB", "< 40 MiB"),
            ("– times that a thread wakes up in a second", f"{median(self.figures['wake-ups']):.1f}", ""),
            ("– CPU time in a second", f"{1000 * median(self.figures['cpu']):.1f} ms", ""),
        ]
        return f"{command.here_and_now()}; rounds: {self.options.rounds}, medians.\n\n{markdown(rows)}"


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="does it run: one round")
    found = parser.parse_args()
    if found.quick:
        found.rounds = 1
    return found


if __name__ == "__main__":
    sys.exit(command.measure(Bench, options()))
