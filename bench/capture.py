"""The statements of one request, as the server saw them.

A second process of the service, without a worker, makes a request of each kind twice, for two different subjects, while
the server logs every statement with its parameters, and with the types that it gave them. `Recorder.statements` answers
pairs: the same statement as it was asked for the one and for the other subject.
"""

import re
import time
from dataclasses import dataclass

from running import Service, WrongResult

NAME = "capture"
"""The application_name of the recorded connections."""


@dataclass
class Statement:
    """One that was executed: its text, and its parameters as texts, `None` for NULL."""

    sql: str
    parameters: list

    def ends(self):
        return re.match(r"\s*(COMMIT|ROLLBACK|END)\b(?!\s+TO)", self.sql, re.IGNORECASE)

    def begins(self):
        return re.match(r"\s*(BEGIN|START TRANSACTION)\b", self.sql, re.IGNORECASE)

    def shape(self):
        return self.sql, len(self.parameters)


def parameters(detail):
    """Of `parameters: $1 = 'it''s', $2 = NULL`."""
    found = re.findall(r"\$\d+ = (NULL|'(?:[^']|'')*')", detail or "")
    return [None if value == "NULL" else value[1:-1].replace("''", "'") for value in found]


class Recorder:
    """The recorded process."""

    def __init__(self, cluster, database, service):
        self.cluster, self.database, self.psql = cluster, database, cluster.psql(database)
        url = cluster.url(database, application_name=NAME)
        folder = service.folder / NAME
        folder.mkdir(exist_ok=True)
        keep = {name: value for name, value in service.environment.items() if name == "KAKEURI_MASTER_KEY"}
        self.service = Service(service.binary, folder, keep | {"DATABASE_URL": url}, service.sandbox)
        self.types, self.settings, self.used, self.read_to = {}, {}, set(), 0

    def __enter__(self):
        self.read_to = self.cluster.log_lines(0)[1]
        self.psql.run(f"ALTER DATABASE {self.database} SET log_statement = 'all'",
                      f"ALTER DATABASE {self.database} SET debug_print_parse = on",
                      f"ALTER DATABASE {self.database} SET debug_pretty_print = off")
        self.service.start("--no-worker")
        return self

    def __exit__(self, *_):
        self.psql.run(f"ALTER DATABASE {self.database} RESET ALL")
        self.service.stop()

    def renew(self):
        """Another process in its place: the server counts what a connection wrote when the connection ends."""
        self.service.stop()
        self.service.processes.clear()
        self.service.start("--no-worker")
        self.look()

    def records(self):
        """What was logged since the last look about our connections, when nothing more comes."""
        found = []
        while True:
            time.sleep(0.2)
            lines, self.read_to = self.cluster.log_lines(self.read_to)
            more = [line for line in lines if line.get("application_name") == NAME]
            if not more:
                return found
            found += more

    def look(self):
        """The statements since the last look; transactions as a whole, in the order in which they began."""
        blocks, open_ones = [], {}
        for record in self.records():
            message = record["message"]
            if message.startswith("parse tree"):
                self.note_types(record)
                continue
            found = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.DOTALL)
            if not found:
                continue
            statement = Statement(found[1].strip().rstrip(";"), parameters(record.get("detail")))
            if self.is_about_the_connection(statement, record["session_id"]):
                continue
            session = record["session_id"]
            block = open_ones.get(session)
            if block is None:
                block = []
                blocks.append(block)
                if statement.begins():
                    open_ones[session] = block
            block.append(statement)
            if statement.ends():
                open_ones.pop(session, None)
        return [statement for block in blocks for statement in block]

    def note_types(self, record):
        """A parse tree names the type of each parameter, by its number. The first tree is the statement's own; what
        triggers and foreign keys ask meanwhile comes later under the same text."""
        found = re.findall(r":paramid\s+(\d+)\s+:paramtype\s+(\d+)", record.get("detail", ""))
        self.types.setdefault(record.get("statement", "").strip().rstrip(";"), {int(at): int(kind) for at, kind in found})

    def is_about_the_connection(self, statement, session):
        """Settings of a fresh connection, which are kept for the replay, and questions about types."""
        settings = re.findall(r"\bSET\s+(?!LOCAL)(\w+)\s*(?:=|TO)\s*'?([^';]*)'?"
                              r"|set_config\('(\w+)',\s*'([^']*)'", statement.sql, re.IGNORECASE)
        if session not in self.used and settings and not statement.parameters:
            self.settings.update((a or c, b or d) for a, b, c, d in settings)
            return True
        self.used.add(session)
        return "pg_type" in statement.sql and "typname" in statement.sql

    def statements(self, request, subjects, warm):
        """`request(subject)` makes one; it is made for each of `warm` first, so that everything is prepared."""
        for subject in warm:
            request(subject)
        self.look()
        one, other = [(request(subject), self.look())[1] for subject in subjects]
        if [a.shape() for a in one] != [b.shape() for b in other]:
            shapes = "\n".join(f"{a.sql[:100]} | {b.sql[:100]}" for a, b in zip(one, other))
            raise WrongResult(f"two requests of a kind came to different statements ({len(one)}, {len(other)}):\n{shapes}")
        return list(zip(one, other))

    def type_names(self, sql, count):
        """The types of a statement's parameters."""
        kinds = self.types.get(sql, {})
        oids = [kinds.get(number, 25) for number in range(1, count + 1)]
        if not oids:
            return []
        return [name for (name,) in self.psql.rows(
            f"SELECT format_type(oid, NULL) FROM unnest('{{{','.join(map(str, oids))}}}'::oid[]) WITH ORDINALITY AS t (oid, at) "
            "ORDER BY at")]
