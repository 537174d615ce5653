"""The peers under peers/: what a good engineer would write in two other stacks for three of the routes. Each is installed once,
outside of the repository, and started on the service's own database, where it takes the service's own tokens."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import shop
from running import Api, WrongResult, free_address

HERE = Path(__file__).parent / "peers"
NAMES = ("fastapi", "fastify")
PROCESSES = os.cpu_count() or 1


def installed(name, manifest, install):
    """The folder in which the peer's libraries lie; made anew where its manifest has changed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kakeuri-bench"
    folder = cache / f"{name}-{hashlib.sha256((HERE / name / manifest).read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(HERE / name / manifest, folder)
        for command in install:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{' '.join(map(str, command))}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        (folder / "complete").touch()
    return folder


def fastapi():
    folder = installed("fastapi", "requirements.txt", [
        [sys.executable, "-m", "venv", "libraries"],
        ["libraries/bin/python", "-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"]])
    return folder, ["libraries/bin/python", "-m", "uvicorn", "server:app", "--loop", "uvloop", "--http", "httptools",
                    "--no-access-log", "--log-level", "warning", "--workers", str(PROCESSES), "--port", "{port}"]


def fastify():
    folder = installed("fastify", "package.json", [["npm", "install", "--omit=dev", "--no-package-lock", "--silent"]])
    return folder, ["node", "server.js"]


class Peer:
    """One of them, running."""

    def __init__(self, name, database_url, service, log):
        self.name, self.address = name, free_address()
        folder, command = {"fastapi": fastapi, "fastify": fastify}[name]()
        for source in HERE.joinpath(name).glob("server.*"):
            shutil.copy(source, folder)
        port = self.address.split(":")[1]
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NODE_ENV": "production",
                       "DATABASE_URL": database_url, "PAID_URL": f"http://{service.sandbox}", "AUTH_CODE": shop.AUTH_CODE,
                       "ISSUER_URL": f"http://{service.address}", "PORT": port, "PROCESSES": str(PROCESSES)}
        with open(log, "ab") as output:
            self.process = subprocess.Popen([part.format(port=port) for part in command], cwd=folder, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0)
        self.pid = self.process.pid
        give_up_at = time.monotonic() + 30
        while True:
            try:
                Api(self.address).send("GET", "/v1/admin/orders", None, None)
                return
            except (OSError, http.client.HTTPException):
                if self.process.poll() is not None or time.monotonic() > give_up_at:
                    raise WrongResult(f"{name} does not start: {log.read_text(errors='replace')[-2000:]}") from None
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def compare(peers, service, paths, token):
    """The peers tell of the same orders what the service tells of them."""
    def told(address, path):
        return Api(address, token).call("GET", path)

    def of(order):
        return {name: order[name] for name in ("id", "number", "member", "lines", "totals", "placed_at", "note")} | {
            "status": order["payment"] and order["payment"]["status"]}

    def listed(answer):
        return [of(order) for order in answer.get("data", [answer])]

    for path in paths:
        ours = listed(told(service.address, path))
        for peer in peers:
            theirs = listed(told(peer.address, path))
            for order in (*ours, *theirs):
                order["placed_at"] = order["placed_at"][:19]
            if ours != theirs:
                raise WrongResult(f"{peer.name} answers {path} otherwise: {str(theirs)[:800]} instead of {str(ours)[:800]}")
