"""The tables of a run under load, as Markdown that can be read as it is."""

from statistics import median

import command
import peer
from routes import ROUTES
from table import markdown


def of(bench, seconds):
    return "\n\n".join([circumstances(bench, seconds), rates(bench), times(bench), replays(bench)])


def middle(bench, who, route, what):
    return median(figures[what] for figures in bench.figures[who, route.name])


def rate(bench, who, route):
    return middle(bench, who, route, "rate") if bench.figures.get((who, route.name)) else None


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def way(clients, at_once):
    return f"{clients}{' at once' if at_once else ''}"


def spread(bench, who, route):
    """The median and, of several rounds, the lowest and the highest."""
    values = [figures["rate"] for figures in bench.figures[who, route.name]]
    around = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else ""
    return number(median(values)) + around


def against(bench, route, others, aim=None):
    """How many times as fast as the fastest of the others, with the aim."""
    found = [found for found in (rate(bench, other, route) for other in others) if found]
    if not found:
        return ""
    times = rate(bench, "service", route) / max(found)
    return f"{times:.2f}" + (f" (≥ {aim})" if aim else "")


def rates(bench):
    peer_names = [name for name in peer.NAMES if name in bench.sides]
    earlier = "earlier" in bench.sides
    head = ("route", "service, req/s", "pgbench", "of pgbench",
            *(("earlier", "of earlier") if earlier else ()),
            *(peer_names and (*peer_names, "of the better peer")))
    rows = [head]
    for route in ROUTES:
        row = [route.title, spread(bench, "service", route),
               f"{number(rate(bench, 'pgbench', route))} with {way(*bench.best[route.name])}",
               against(bench, route, ["pgbench"], route.of_pgbench)]
        if earlier:
            row += [number(rate(bench, "earlier", route)), against(bench, route, ["earlier"])]
        if peer_names:
            row += [number(rate(bench, name, route)) if route.peers else "" for name in peer_names]
            row += [against(bench, route, peer_names, route.of_peers)]
        rows.append(row)
    return markdown(rows)


def times(bench):
    """Latencies, and what a request takes of the cores, by whose process it is."""
    rows = [("route", "who", "p50, ms", "p99, ms", "at a third of it: p50", "p99",
             "CPU ms a request: service", "PostgreSQL", "sandbox", "load")]
    for route in ROUTES:
        for who in bench.sides:
            if not bench.figures.get((who, route.name)):
                continue
            paced = bench.paced.get(route.name) if who == "service" else None
            below = (f"{paced['p50']:.1f}", f"{paced['p99']:.1f}") if paced else ("", "")
            cpu = (middle(bench, who, route, f"cpu {what}") for what in ("service", "postgres", "sandbox", "load"))
            rows.append((route.title, who, *(f"{middle(bench, who, route, what):.1f}" for what in ("p50", "p99")), *below,
                         *(f"{value:.2f}" for value in cpu)))
    return markdown(rows)


def replays(bench):
    """What pgbench ran, and whether it wrote what the service writes."""
    rows = [("route", "statements", "rows written by a request", "by pgbench", "CPU ms of PostgreSQL, by pgbench", "pgbench by clients, tps (`at once`: in one round trip)")]
    for route in ROUTES:
        service, replayed = bench.rows.get(route.name, ({}, {}))
        same = service.keys() == replayed.keys() and all(abs(service[name] - replayed[name]) < 0.2 for name in service)
        written = ", ".join(f"{table} {count:g}" for table, count in service.items())
        by_pgbench = "the same" if same else "**differs**: " + ", ".join(f"{t} {n:g}" for t, n in replayed.items())
        probes = bench.probes[route.name]
        rows.append((route.title, str(len(bench.scripts[route.name].lines)), written, by_pgbench if written else "",
                     f"{middle(bench, 'pgbench', route, 'cpu postgres'):.2f}",
                     ", ".join(f"{way(*how)}: {number(found)}" for how, found in probes.items())))
    return markdown(rows)


def circumstances(bench, seconds):
    options = bench.options
    version, fsync = bench.psql.text("SHOW server_version"), bench.psql.text("SHOW fsync")
    return (f"{command.here_and_now()} for everything, PostgreSQL {version} with "
            f"fsync {fsync} over TCP; {options.members:,} members, {options.orders:,} orders of one store; "
            f"{options.connections} connections, {options.seconds} s a route and round; rounds: {options.rounds}, medians; "
            f"settings: {' '.join(options.setting + options.postgres) or 'as they are'}; {seconds / 60:.0f} minutes.")
