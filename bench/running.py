"""What the measurements run on: the processes, HTTP, psql, and how much memory and CPU a process takes."""

import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path


class WrongResult(Exception):
    """The product did something wrong, fast or not."""


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


class Service:
    """`kakeuri serve` with its embedded PostgreSQL (fsync on), and `kakeuri sandbox`, each a process of its own."""

    def __init__(self, options, folder):
        self.binary, self.folder = options.binary, folder
        self.address, self.sandbox, self.processes = free_address(), free_address(), []
        names = ("PATH", "HOME", "KAKEURI_PG_BIN")
        self.environment = {name: os.environ[name] for name in names if name in os.environ} | {
            "KAKEURI_LISTEN": self.address, "KAKEURI_DATA_DIR": str(folder / "data"), "KAKEURI_DEMO": "off",
            # The sandbox inside stays idle; the one beside is asked.
            "KAKEURI_SANDBOX_LISTEN": free_address(), "KAKEURI_PAID_SANDBOX_URL": f"http://{self.sandbox}",
            "KAKEURI_PAID_BATCH": str(options.batch), "KAKEURI_PAID_CONCURRENCY": str(options.concurrency),
            "KAKEURI_PAID_RATE": "0", "KAKEURI_RATE_LIMITS": "off", "KAKEURI_TOKEN_TTL": "12h", "RUST_LOG": "warn"}

    def start(self):
        self.launch("sandbox", "--listen", self.sandbox)
        self.pid = self.launch("serve").pid
        for address, path in ((self.sandbox, "/_sandbox/bench/members"), (self.address, "/readyz")):
            self.wait_for(address, path)

    def launch(self, *arguments):
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen([self.binary, *arguments], env=self.environment, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, cwd=self.folder, process_group=0)
        self.processes.append(process)
        return process

    def wait_for(self, address, path):
        give_up_at = time.monotonic() + 120
        while time.monotonic() < give_up_at:
            if any(process.poll() is not None for process in self.processes):
                raise WrongResult("a process ended instead of starting")
            try:
                return Api(address).call("GET", path)
            except (OSError, http.client.HTTPException, WrongResult):
                time.sleep(0.1)
        raise WrongResult(f"http://{address}{path} does not answer")

    def command(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.environment, cwd=self.folder, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise WrongResult(f"kakeuri {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def last_words(self):
        log = self.folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""

    def stop(self):
        """The service stops its PostgreSQL with it; where it could not, that is done here."""
        server = (self.folder / "data/postgres/server").resolve()
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        pid_file = server / "data/postmaster.pid"
        if pid_file.exists():
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
            time.sleep(5)
        # As root the cluster may lie elsewhere.
        shutil.rmtree(server, ignore_errors=True)


class Api:
    """One connection that is kept, with a token."""

    def __init__(self, address, token=None):
        self.connection = http.client.HTTPConnection(address, timeout=300, blocksize=256 * 1024)
        self.token, self.used_at = token, 0.0

    def send(self, method, path, body, headers):
        # A server closes what is idle for long; http.client then opens anew.
        if time.monotonic() - self.used_at > 2:
            self.connection.close()
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        self.used_at = time.monotonic()
        return answer

    def call(self, method, path, body=None, headers=None):
        """JSON there and back; anything but success is an error."""
        if body is not None:
            body, headers = json.dumps(body), {"Content-Type": "application/json"} | (headers or {})
        return self.read(method, path, self.send(method, path, body, headers))

    def read(self, method, path, answer):
        text = answer.read()
        if not 200 <= answer.status < 300:
            raise WrongResult(f"{method} {path} answers {answer.status}: {text.decode(errors='replace')[:1000]}")
        return json.loads(text) if text and answer.headers.get_content_type() == "application/json" else text

    def upload(self, path, file):
        headers = {"Content-Type": "text/csv", "Content-Length": str(file.stat().st_size)}
        with open(file, "rb") as body:
            return self.read("POST", path, self.send("POST", path, body, headers))

    def download(self, path, file):
        """Into a file, as it comes; answers when the first byte was there."""
        answer = self.send("GET", path, None, None)
        if answer.status != 200:
            self.read("GET", path, answer)
        block, first_byte = memoryview(bytearray(256 * 1024)), None
        with open(file, "wb") as out:
            while length := answer.readinto(block):
                first_byte = first_byte or time.monotonic()
                out.write(block[:length])
        return first_byte


def in_parallel(count, items, do, address):
    """Does `do(api, item)` for all items over `count` connections."""
    rest, lock, failures = iter(items), threading.Lock(), []

    def work():
        api = Api(address)
        try:
            while not failures:
                with lock:
                    item = next(rest)
                do(api, item)
        except StopIteration:
            pass
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Psql:
    """psql on the embedded server. Its socket is in KAKEURI_DATA_DIR/postgres/server/run, its role is `app`."""

    def __init__(self, service):
        self.folder = service.folder / "data/postgres/server"
        installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(re.sub(r"\D", "", path)))
        folders = [os.environ.get("KAKEURI_PG_BIN", ""), *os.environ["PATH"].split(os.pathsep), *reversed(installed)]
        self.program = shutil.which("psql", path=os.pathsep.join(filter(None, folders)))
        if self.program is None:
            raise SystemExit("psql is missing: apt-get install postgresql-client")

    def run(self, *commands):
        address = ["-h", (self.folder / "run").resolve(), "-p", "5432", "-U", "app", "-d", "postgres"]
        arguments = [part for command in commands for part in ("-c", command)]
        done = subprocess.run([self.program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *address, *arguments],
                              capture_output=True, text=True, timeout=600, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
        if done.returncode != 0:
            raise WrongResult(f"psql {commands}: {done.stderr.strip()}")
        return done.stdout

    def text(self, query):
        return self.run(query).strip()

    def number(self, query):
        return int(self.text(query))

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

    def server(self):
        return int((self.folder.resolve() / "data/postmaster.pid").read_text().split()[0])


def of_status(pid, field):
    """A line of /proc/PID/status, in bytes; 0 for a process that is gone."""
    try:
        found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * (1024 if field != "PPid" else 1) if found else 0


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """Notes how much a process grows meanwhile (the kernel's own high-water mark), its peak, and, from looking ten
    times a second, the growth of what PostgreSQL's processes have for themselves."""

    def __init__(self, note, phase, service, server):
        self.note, self.phase, self.service, self.server = note, phase, service, server
        self.ended = threading.Event()

    def of_server(self):
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return sum(of_status(pid, "RssAnon") for pid in pids if of_status(pid, "PPid") == self.server)

    def watch(self):
        while not self.ended.wait(0.1):
            self.server_peak = max(self.server_peak, self.of_server())

    def __enter__(self):
        Path(f"/proc/{self.service}/clear_refs").write_text("5")
        self.before, self.server_before = of_status(self.service, "VmRSS"), self.of_server()
        self.server_peak = self.server_before
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def __exit__(self, *_):
        peak = of_status(self.service, "VmHWM")
        self.ended.set()
        self.watcher.join()
        self.note(f"{self.phase}: peak", peak)
        self.note(f"{self.phase}: growth", peak - self.before)
        self.note(f"{self.phase}: server", self.server_peak - self.server_before)
