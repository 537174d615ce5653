"""PostgreSQL for the measurements: psql on a server, and a server of our own (fsync on) in a temporary folder."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

from running import WrongResult, children_of, cpu_seconds, free_address


def program(name):
    """The newest installed PostgreSQL's, unless KAKEURI_PG_BIN names a folder."""
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(re.sub(r"\D", "", path)))
    folders = [os.environ.get("KAKEURI_PG_BIN", ""), *reversed(installed), *os.environ["PATH"].split(os.pathsep)]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    if found is None:
        raise SystemExit(f"{name} is missing: apt-get install postgresql postgresql-client")
    return found


class Psql:
    """psql on one database."""

    def __init__(self, host, port, user, database):
        self.address = ["-h", str(host), "-p", str(port), "-U", user, "-d", database]
        self.program = program("psql")

    def ask(self, arguments, **more):
        done = subprocess.run([self.program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *self.address, *arguments],
                              capture_output=True, text=True, timeout=1800, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                              **more)
        if done.returncode != 0:
            raise WrongResult(f"psql {str(arguments)[:1000]}: {done.stderr.strip()}")
        return done.stdout

    def run(self, *commands):
        return self.ask([part for command in commands for part in ("-c", command)])

    def script(self, text):
        """A whole file of SQL."""
        return self.ask(["-f", "-"], input=text)

    def text(self, query):
        return self.run(query).strip()

    def number(self, query):
        return int(self.text(query))

    def rows(self, query):
        """Each row as a list of texts."""
        return [line.split("|") for line in self.run(query).splitlines()]

    def timed(self, command):
        """How many seconds one command takes inside psql, so without its start."""
        return float(re.findall(r"Time: ([\d.]+) ms", self.run(r"\timing on", command))[-1]) / 1000

    @contextmanager
    def wal(self, note, name):
        """Notes how much the server wrote to its write-ahead log."""
        position = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
        before = self.number(position)
        yield
        note(name, self.number(position) - before)


class EmbeddedPsql(Psql):
    """psql on the service's embedded server. Its socket is in KAKEURI_DATA_DIR/postgres/server/run, its role is `app`."""

    def __init__(self, service):
        self.folder = service.folder / "data/postgres/server"
        super().__init__(self.folder / "run", 5432, "app", "postgres")

    def run(self, *commands):
        # The folder is a link to elsewhere once the server has been started.
        self.address[1] = str((self.folder / "run").resolve())
        return super().run(*commands)

    def server(self):
        return int((self.folder.resolve() / "data/postmaster.pid").read_text().split()[0])


class Cluster:
    """A server of our own, reached over TCP on this machine as any other would be, with fsync on."""

    SETTINGS = {
        "max_connections": "200", "shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
        "logging_collector": "on", "log_destination": "jsonlog", "log_directory": "log", "log_filename": "server",
        "timezone": "UTC", "log_rotation_age": "0", "log_rotation_size": "0", "log_checkpoints": "off",
    }
    """Checkpoints come when the bench asks for them, before a round and never in one."""

    def __init__(self, folder, more=()):
        """`more`: settings as NAME=VALUE."""
        self.folder, self.data = folder / "postgres", folder / "postgres/data"
        self.settings = self.SETTINGS | dict(pair.split("=", 1) for pair in more)
        self.host, port = free_address().split(":")
        self.port, self.process = int(port), None
        # PostgreSQL does not run as root.
        self.account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self):
        self.folder.mkdir()
        if self.account:
            shutil.chown(self.folder, "postgres", "postgres")
        made = subprocess.run([program("initdb"), "-D", self.data, "-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C"],
                              capture_output=True, text=True, cwd="/", **self.account)
        if made.returncode != 0:
            raise WrongResult(f"initdb: {made.stderr}")
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                [program("postgres"), "-D", self.data, "-k", self.folder, "-h", self.host, "-p", str(self.port), *settings],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", process_group=0, **self.account)
        give_up_at = time.monotonic() + 60
        while True:
            try:
                return self.psql("postgres").run("SELECT 1")
            except WrongResult:
                if self.process.poll() is not None or time.monotonic() > give_up_at:
                    raise WrongResult((self.folder / "output").read_text()) from None
                time.sleep(0.1)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(60)

    def psql(self, database):
        return Psql(self.host, self.port, "app", database)

    def url(self, database, **options):
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://app@{self.host}:{self.port}/{database}" + (f"?{query}" if query else "")

    def cpu_seconds(self):
        """Of the whole server, those of its processes that have ended too."""
        pid = self.process.pid
        return cpu_seconds(pid, ended_too=True) + sum(cpu_seconds(child) for child in children_of(pid))

    def settle(self, processes):
        """Waits until there are no more processes than before: what one has computed counts when it has ended."""
        give_up_at = time.monotonic() + 5
        while len(children_of(self.process.pid)) > processes and time.monotonic() < give_up_at:
            time.sleep(0.05)

    def log(self):
        return self.data / "log/server.json"

    def log_lines(self, since):
        """What the server has logged from an offset on: its records, and the offset where they end."""
        with open(self.log(), "rb") as file:
            file.seek(since)
            text = file.read()
        whole = text[:text.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines()], since + len(whole)
