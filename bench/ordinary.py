"""Ordinary requests at a fixed pace, from a process of its own: python3 ordinary.py, with what to do on standard input.

The pace does not wait for answers, and a latency counts from the moment the request was due. A service that stands
still for a second is thus blamed for every request of that second, not for one.
"""

import json
import random
import subprocess
import sys
import threading
import time

THREADS = 16


def drive(address, store, pace, seconds):
    """The latencies in seconds of `pace` requests a second, for so long."""
    order = {"address": address, "store": store, "pace": pace, "seconds": seconds}
    done = subprocess.run([sys.executable, __file__], input=json.dumps(order), capture_output=True, text=True,
                          timeout=seconds + 120)
    if done.returncode != 0:
        from running import WrongResult
        raise WrongResult(f"an ordinary request failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def percentile(sample, share):
    """The latency that `share` % of the sample do not exceed."""
    ordered = sorted(sample)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def request(api, at, members):
    """The requests of a shop's day, in turn."""
    member = f"/v1/admin/members/{random.choice(members)}"
    match at % 4:
        case 0: api.call("GET", member)
        case 1: api.call("GET", "/v1/admin/members?limit=50")
        case 2: api.call("PATCH", member, {"phone": f"045-{at % 1000:03}-{random.randrange(10000):04}"})
        case _: api.call("GET", "/v1/admin/orders?limit=50")


def main():
    from running import Api
    order = json.load(sys.stdin)
    total, turn, lock = order["pace"] * order["seconds"], iter(range(10**9)), threading.Lock()
    latencies, failures, begun = [], [], time.monotonic() + 0.2

    def work():
        api = Api(order["address"], order["store"]["token"])
        while not failures:
            with lock:
                at = next(turn)
            if at >= total:
                return
            due = begun + at / order["pace"]
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                request(api, at, order["store"]["members"])
            except Exception as error:
                failures.append(error)
            latencies.append(time.monotonic() - due)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(str(failures[0]))
    json.dump(latencies, sys.stdout)


if __name__ == "__main__":
    main()
