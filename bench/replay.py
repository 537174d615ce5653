"""Recorded statements as a script of pgbench, which runs them with nothing around: what the database alone can do.

What was the same for both subjects is a constant. What differed is, piece by piece: something of the subject (then pgbench
chooses another subject for every transaction, as the load does), a moment (then it is now, or as long after), a fresh id or
key (then a new one is made for every transaction, the same one wherever it stood), or else a constant too. Values are built
inside the statement, which costs the server about a microsecond each; everything else is as the service asked it.
"""

import os
import re
import subprocess
from datetime import datetime, timedelta, timezone

import seed
from postgres import program
from running import WrongResult

TOKEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+\d\d|Z)?"
                   r"|[A-Za-z0-9_.]+|.", re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+\d\d|Z)?")
FRESH = 64
"""The most fresh values of one transaction, and the most clients."""

TEXTS = ("text", "character varying", "text[]", "character varying[]")


def padded(letter, number, digits=12):
    return f"('{letter}' || lpad(:{number}::text, {digits}, '0'))"


def of_member(m):
    """What is known of a member: its texts, and how pgbench writes them of the member `:m`."""
    return {seed.member_id(m): padded(seed.MEMBER + "000-", "m"), seed.customer_number(m): padded("C", "m"),
            f"M{m:07}": padded("M", "m", 7), f"buyer{m}": "('buyer' || :m::text)", f"{m}": ":m::text",
            **{letter: f"chr((:m::bigint {sql})::integer)" for letter, sql in zip(seed.letters(m), seed.LETTERS)}}


def of_order(n, sizes):
    m = seed.member_of(n, sizes.members)
    placed = datetime.fromtimestamp(sizes.placed(n), timezone.utc)
    return {seed.order_id(n): padded(seed.ORDER + "000-", "n"), seed.credit_key(n): padded("K", "n"),
            f"{n + seed.FIRST_NUMBER:08}": "lpad(:number::text, 8, '0')",
            f"{placed:%Y-%m-%d %H:%M:%S}+00": "to_timestamp(:placed::bigint)::text"} | of_member(m)


def of_buyer(b, sessions):
    """A buyer with its session; sessions are looked up in the order of the buyers."""
    listed = "{" + ",".join(sessions) + "}"
    return of_member(b) | {sessions[b - 1]: f"('{listed}'::text[])[:m::integer]"}


def moment(text):
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=read.tzinfo or timezone.utc)


def moments_that_differ(pairs):
    """Of the first request: the earliest of them is when it was made, the others are counted from there."""
    since = datetime.now(timezone.utc) - timedelta(minutes=1)
    for a, b in pairs:
        for one, other in zip(a.parameters, b.parameters):
            if one != other:
                yield from (at for at in map(moment, MOMENT.findall(one or "")) if at > since)


class Script:
    """A script for pgbench out of pairs of statements."""

    def __init__(self, recorder, pairs, known, choice):
        """`known`: of each of the two subjects, its texts with the SQL for them; `choice`: what chooses the subject."""
        self.known = {texts: sql for texts, sql in zip(zip(*known), known[0].values())} if known else {}
        self.choice, self.constants, self.fresh = choice, {}, {}
        self.at = min(moments_that_differ(pairs), default=datetime.now(timezone.utc))
        # What may change a plan is kept; pgbench's clients may wait for as long as they have to.
        kept = {name: value for name, value in recorder.settings.items() if not name.endswith("timeout")}
        self.options = " ".join(f"-c {name}={value}" for name, value in kept.items())
        self.lines = [self.line(a, b, recorder.type_names(a.sql, len(a.parameters))) for a, b in pairs]
        if len(self.fresh) > FRESH:
            raise WrongResult(f"{len(self.fresh)} fresh values in one request are too many to replay")

    def line(self, a, b, types):
        if re.search(r"(?<!:):[A-Za-z_]", a.sql):
            raise WrongResult(f"pgbench would take a colon for a variable: {a.sql}")
        values = [self.value(one, other, kind) for one, other, kind in zip(a.parameters, b.parameters, types)]
        return re.sub(r"\$(\d+)", lambda found: values[int(found[1]) - 1], a.sql.replace("\n", " ")) + ";"

    def constant(self, text):
        """A variable of pgbench, which has no empty ones."""
        return ":" + self.constants.setdefault(text, f"c{len(self.constants)}") if text else "''"

    def value(self, one, other, kind):
        """The SQL of a parameter."""
        if one is None or one == other or other is None or kind == "bytea":
            return f"NULL::{kind}" if one is None else f"{self.constant(one)}::{kind}"
        pairs = list(zip(TOKEN.findall(one), TOKEN.findall(other)))
        if len(TOKEN.findall(one)) != len(TOKEN.findall(other)):
            return f"{self.constant(one)}::{kind}"
        pieces, same = [], ""
        for a, b in pairs:
            piece = None if a == b else self.piece(a, b, kind)
            if piece is None:
                same += a
                continue
            if same:
                pieces.append(f"{self.constant(same)}::text")
            pieces, same = [*pieces, piece], ""
        if same:
            pieces.append(f"{self.constant(same)}::text")
        return f"({' || '.join(pieces)})::{kind}"

    def piece(self, a, b, kind):
        """The SQL, of type text, of a piece that differed; `None` where the first one will do."""
        if (a, b) in self.known:
            return self.known[a, b]
        if MOMENT.match(a):
            later = round((moment(a) - self.at).total_seconds())
            return f"(now() + interval '{later} seconds')::text" if abs(later) > 1 else "now()::text"
        number = self.fresh.get((a, b))
        if number is None and not UUID.match(a) and (kind not in TEXTS and re.fullmatch(r"[\d.]+", a)):
            return None
        number = self.fresh.setdefault((a, b), len(self.fresh))
        if UUID.match(a):
            return f"('01b00000-0000-7000-8' || lpad((:fresh::bigint + {number})::text, 15, '0'))"
        return f"(:fresh::bigint + {number})::text"

    def only_reads(self):
        return all(line.startswith("SELECT") for line in self.lines)

    def text(self, at_once):
        begins = ["\\set seq :seq + 1", *self.choice,
                  f"\\set fresh ((:run * 1000000 + :seq) * {FRESH} + :client_id) * {FRESH}"]
        lines = ["\\startpipeline", *self.lines, "\\endpipeline"] if at_once else self.lines
        return "\n".join([*begins, *lines]) + "\n"


class Pgbench:
    """Runs scripts on one database."""

    def __init__(self, cluster, database, folder):
        self.cluster, self.database, self.folder, self.runs = cluster, database, folder, 0

    def run(self, script, clients, seconds=None, transactions=None, at_once=False, **variables):
        """Transactions per second, and how many there were. `at_once`: all statements are sent in one round trip."""
        self.runs += 1
        file = self.folder / "replay.sql"
        file.write_text(script.text(at_once), encoding="utf-8")
        values = {"seq": 0, "run": self.runs, "clients": clients} | variables
        values |= {name: text for text, name in script.constants.items()}
        length = ["-T", str(seconds + 1)] if seconds else ["-t", str(transactions)]
        command = [program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), *length,
                   "-P", "1", "-f", str(file), "-h", self.cluster.host, "-p", str(self.cluster.port), "-U", "app",
                   *(part for name, value in values.items() for part in ("-D", f"{name}={value}")), self.database]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600,
                              env={"PATH": os.environ["PATH"], "PGOPTIONS": script.options, "LC_ALL": "C"})
        count = re.search(r"transactions actually processed: (\d+)", done.stdout)
        if done.returncode or not count:
            raise WrongResult(f"pgbench: {done.stderr[-3000:]}")
        return self.rate(done), int(count[1])

    @staticmethod
    def rate(done):
        """Without the first second, in which statements are prepared and planned for the first times, and without the last
        one, in which some clients have done their share; but of few transactions over all the time."""
        over_all = float(re.search(r"tps = ([\d.]+)", done.stdout)[1])
        seconds = [float(rate) for rate in re.findall(r"progress: [\d.]+ s, ([\d.]+) tps", done.stderr)]
        steady = seconds[1:-1] if len(seconds) > 3 else seconds[1:]
        return max(over_all, sum(steady) / len(steady)) if steady and over_all > 20 else over_all


BY_THE_WORKER = ("tallies",)
"""Tables that only the worker writes, whenever it comes to it."""


def written(psql):
    """Rows inserted and updated so far, by table. Deleting is the worker's."""
    return {table: int(rows) for table, rows in psql.rows(
        "SELECT relname, n_tup_ins + n_tup_upd FROM pg_stat_user_tables ORDER BY relname") if table not in BY_THE_WORKER}


def written_since(psql, before, requests):
    """How many rows of each table were written by one request."""
    now = written(psql)
    return {table: round((rows - before.get(table, 0)) / requests, 1) for table, rows in now.items()
            if rows > before.get(table, 0)}
