"""What every measurement does as a command: what it takes, where it works, how it ends."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from running import WrongResult


def say(text):
    print(text, file=sys.stderr, flush=True)


def parser(description):
    """With what all of them take."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--binary", type=lambda path: Path(path).resolve(), default=Path("target/release/kakeuri").resolve(),
                       help="the service")
    return found


def here_and_now():
    """When, of which commit, and on how large a machine."""
    git = ["git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    return f"{datetime.now():%Y-%m-%d}, commit {commit}, {os.cpu_count()} cores"


def measure(bench_of, options):
    """Runs what `bench_of(options, folder)` makes, prints its report, and leaves nothing behind. The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="kakeuri-bench-"))
    # As root, the account that runs PostgreSQL must get through.
    folder.chmod(0o711)
    bench = bench_of(options, folder)
    try:
        bench.run()
        if text := bench.report():
            print(text)
    except WrongResult as wrong:
        say(f"WRONG: {wrong}\n{bench.last_words()[-2000:]}")
        return 1
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0
