"""The table: every figure beside what it is to be compared with, as Markdown that can be read as it is."""

import math
from statistics import median

from ordinary import percentile

HEAD = ("measured", "reached", "beside", "ratio", "aim")


def table(options, figures):
    """`figures` has a list by name, with one value a round (for latencies: one a request)."""
    rows = [HEAD, *of_import(options, figures), *of_export(options, figures), *of_refresh(options, figures),
            *of_ordinary_requests(figures), *of_memory(figures)]
    return markdown(rows)


def markdown(rows):
    """A table whose first row is its head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def seconds(values):
    spread = f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else ""
    return f"{median(values):.2f} s{spread}"


def mebibytes(count):
    return f"{count / 1024 / 1024:.0f} MiB"


def ratio(values, others):
    return f"{median(values) / median(others):.2f}"


def parts(figures, names):
    """Where the time of something went: lines that are compared with nothing."""
    return [(f"– {what}", f"{median(figures[name]):.2f} s", "", "", "") for name, what in names.items()]


def of_import(options, figures):
    whole, copy, stored = figures["import"], figures["copy in"], figures["copy in as stored"]
    wal, copy_wal = figures["import: wal"], figures["copy in: wal"]
    beside = f"bare `\\copy`: {mebibytes(median(copy_wal))}"
    what = f"import of {options.members:,} members"
    return [
        (what, seconds(whole), f"bare `\\copy`: {seconds(copy)}", ratio(whole, copy), "≤ 10"),
        ("– beside all that lies on disk in the end", seconds(whole), f"`\\copy` of that: {seconds(stored)}",
         ratio(whole, stored), "≤ 1.5"),
        *parts(figures, {"import: upload": "upload, until the 202", "import: waiting": "until a worker has it",
                         "import: job": "the job", "import: cpu": "CPU time of the service"}),
        ("– written ahead (WAL)", mebibytes(median(wal)), beside, ratio(wal, copy_wal), ""),
    ]


def of_export(options, figures):
    whole, copy = figures["export"], figures["copy out"]
    what, beside = f"export of {options.members:,} members", f"`\\copy … to`: {seconds(copy)}"
    return [(what, seconds(whole), beside, ratio(whole, copy), "≤ 2"),
            *parts(figures, {"export: first byte": "until the first byte", "export: cpu": "CPU time of the service"})]


def of_refresh(options, figures):
    batches = math.ceil(options.refresh / options.batch)
    ideal = [batches * options.latency / 1000 / options.concurrency]
    beside = f"ideal: {batches} × {options.latency} ms ÷ {options.concurrency} = {ideal[0]:.2f} s"
    what, calls, bare = f"refresh of {options.refresh:,} members", figures["refresh: calls"], figures["bare calls"]
    first, again = figures["refresh"], figures["refresh again"]
    return [
        (f"{what}, all changed", seconds(first), beside, ratio(first, ideal), "≤ 1.3"),
        *parts(figures, {"refresh: waiting": "until a worker has it", "refresh: cpu": "CPU time of the service"}),
        ("– calls to Paid", f"{median(calls):.0f}", f"{batches} batches", ratio(calls, [batches]), ""),
        (f"{what}, none changed", seconds(again), beside, ratio(again, ideal), "≤ 1.3"),
        ("to compare: the same calls, without a service", seconds(bare), beside, ratio(bare, ideal), ""),
    ]


def of_ordinary_requests(figures):
    def row(share, aim):
        samples = figures["latency beside imports"], figures["latency in quiet"]
        beside, alone = (1000 * percentile(sample, share) for sample in samples)
        what = f"ordinary requests beside imports, p{share}"
        return what, f"{beside:.1f} ms", f"without: {alone:.1f} ms", ratio([beside], [alone]), aim

    return [row(99, "≤ 1.5"), row(50, "")]


def of_memory(figures):
    def row(phase):
        growth, peak, server = (max(figures[f"{phase}: {what}"]) for what in ("growth", "peak", "server"))
        beside = f"peak {mebibytes(peak)}; PostgreSQL +{mebibytes(server)}"
        return f"memory of the service, {phase}", f"+{mebibytes(growth)}", beside, "", "< 64 MiB"

    return [row(phase) for phase in ("import", "export", "refresh")]
