"""What the measurements run on: the processes, HTTP, psql, and how much memory and CPU a process takes."""

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
from pathlib import Path


class WrongResult(Exception):
    """The product did something wrong, fast or not."""


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


class Service:
    """`kakeuri serve`, and `kakeuri sandbox` unless another one is to be asked, each a process of its own. Without a
    `DATABASE_URL` among its settings it starts its embedded PostgreSQL (fsync on)."""

    def __init__(self, binary, folder, settings, sandbox=None):
        self.binary, self.folder, self.processes = binary, folder, []
        self.address, self.sandbox, self.starts_sandbox = free_address(), sandbox or free_address(), sandbox is None
        names = ("PATH", "HOME", "KAKEURI_PG_BIN")
        self.environment = {name: os.environ[name] for name in names if name in os.environ} | {
            "KAKEURI_LISTEN": self.address, "KAKEURI_DATA_DIR": str(folder / "data"), "KAKEURI_DEMO": "off",
            # The sandbox inside stays idle; the one beside is asked.
            "KAKEURI_SANDBOX_LISTEN": free_address(), "KAKEURI_PAID_SANDBOX_URL": f"http://{self.sandbox}",
            "KAKEURI_METRICS_LISTEN": "off", "KAKEURI_RATE_LIMITS": "off", "KAKEURI_TOKEN_TTL": "12h"} | settings

    def start(self, *arguments):
        if self.starts_sandbox and not self.processes:
            self.sandbox_pid = self.launch("sandbox", "--listen", self.sandbox).pid
            self.wait_for(self.sandbox, "/_sandbox/bench/members")
        self.pid = self.launch("serve", *arguments).pid
        self.wait_for(self.address, "/readyz")

    def pause(self):
        """Ends the service and leaves the sandbox; `start` goes on."""
        process = self.processes.pop()
        process.terminate()
        process.wait(40)

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


def of_status(pid, field):
    """A line of /proc/PID/status, in bytes; 0 for a process that is gone."""
    try:
        found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * (1024 if field != "PPid" else 1) if found else 0


def cpu_seconds(pid, ended_too=False):
    """What a process has computed so far, with its children that have ended or without; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15 if ended_too else 13]) / os.sysconf("SC_CLK_TCK")


def children_of(pid):
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and of_status(name, "PPid") == pid]


def tree_of(pid):
    """A process and those that came of it."""
    return [pid, *(below for child in children_of(pid) for below in tree_of(child))]


class PeakMemory:
    """Notes how much a process grows meanwhile (the kernel's own high-water mark), its peak, and, from looking ten
    times a second, the growth of what PostgreSQL's processes have for themselves."""

    def __init__(self, note, phase, service, server):
        self.note, self.phase, self.service, self.server = note, phase, service, server
        self.ended = threading.Event()

    def of_server(self):
        return sum(of_status(pid, "RssAnon") for pid in children_of(self.server))

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
