"""The plan library: every plan a model wrote, and which session has learned which of them.

It is synchronous, and used by one thread at a time (library_thread.py).

1. A plan is shared by its fingerprint. A session's routes are its own rows, which point at plans.
2. A session has one plan for a route: method, pattern, content kind and query keys. Learning replaces, but
   never what a person has pinned or written; only a person replaces that, as long as the policy lets it run.
3. A `needs: values` plan belongs to one request of one session: it is never found by a fingerprint.
4. What a session may hold, and how many plans there are, is bounded; the oldest go first, but for those.
5. An operation is done or not done (LibraryError). A file found damaged is set aside for a fresh one.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import structlog
from attrs import evolve

from server.planning.learned.library_file import (
    LEARNED_COLUMNS,
    PLAN_COLUMNS,
    LibraryError,
    is_damage,
    open_file,
)
from server.planning.learned.library_rows import (
    PERSON,
    Former,
    LearnedRecord,
    PlanRecord,
    pattern,
    plan_row,
    plan_text,
    read_learned,
    read_plan,
)
from server.planning.learned.vetting import may_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from server.planning.kinds.fingerprint import Versions
    from server.values.model import RunnablePlan, Session

T = TypeVar("T")

#: Routes of one session. The largest API documented by people has some hundreds.
MAX_ROUTES: Final = 512
#: Plans of one session that each answer a single request: a cache of questions, not an API.
MAX_VALUES_PLANS: Final = 64
#: Plans in all: a month of the default daily budget of calls; about 300 MB.
MAX_PLANS: Final = 100_000

#: Of resource schemas: a large contract has some hundreds.
MAX_RECORD_RULES: Final = 10_000

_PINNED, _PERSONS = "pinned plan kept", "person's plan kept"
_KEPT = f"(plans.pinned OR plans.provider = '{PERSON}')"
_PLANS = ", ".join(f"plans.{name.strip()}" for name in ("number", *PLAN_COLUMNS.split(",")))
_LEARNED_ROW = (
    "learned.number, session, session_id, body_shape, learned_at, failures, quarantined, slug_asked"
)
_JOINED = f"SELECT {_LEARNED_ROW}, {_PLANS} FROM learned JOIN plans ON plans.number = learned.plan"  # noqa: S608
_ADD = (
    f"INSERT INTO plans ({PLAN_COLUMNS}) VALUES ({', '.join('?' * 17)})"  # noqa: S608
    " ON CONFLICT (fingerprint, plan_id, values_key) DO UPDATE SET plan = excluded.plan,"
    " query = excluded.query, v_prompt = excluded.v_prompt, v_policy = excluded.v_policy,"
    " v_model = excluded.v_model, v_rules = excluded.v_rules RETURNING number"
)
_FOUND = (
    f"SELECT {_PLANS} FROM plans WHERE fingerprint = ? AND values_key = '' AND NOT EXISTS ("  # noqa: S608
    " SELECT 1 FROM learned WHERE learned.plan = plans.number AND session = ? AND quarantined)"
    f" ORDER BY pinned DESC, provider = '{PERSON}' DESC, ("
    " SELECT count(*) FROM learned WHERE learned.plan = plans.number AND quarantined) >= 2,"
    f" CASE WHEN {_KEPT} THEN -number ELSE number END LIMIT 1 OFFSET ?"
)
_LEARN = f"INSERT INTO learned ({LEARNED_COLUMNS}) VALUES ({', '.join('?' * 13)})"  # noqa: S608
_ROUTE = (
    "session = ? AND learned.method = ? AND pattern = ? AND learned.content = ? AND learned.query = ?"
    " AND learned.values_key = ?"
)
#: What is beyond the newest so many routes of a session, of one of the two sorts.
_SURPLUS = (
    "SELECT learned.number, learned.plan FROM learned JOIN plans ON plans.number = learned.plan"  # noqa: S608
    f" WHERE session = ? AND (learned.values_key = '') = ? AND NOT {_KEPT}"
    " ORDER BY learned.number DESC LIMIT -1 OFFSET ?"
)

_CLEAR_FAILURES = (
    "UPDATE learned SET failures = '[]', quarantined = 0"
    " WHERE plan IN (SELECT number FROM plans WHERE plan_id = ?)"
)
_USES = "FROM learned JOIN plans AS same ON same.number = learned.plan WHERE same.plan_id = plans.plan_id"
#: One row a plan, however many fingerprints it answers, with its sessions and its routes in quarantine.
_LISTED = (
    f"SELECT (SELECT count(DISTINCT session) {_USES}), (SELECT count(*) {_USES} AND quarantined),"  # noqa: S608
    f" {_PLANS} FROM plans"
    " WHERE number IN (SELECT min(number) FROM plans GROUP BY plan_id)"
)
_IN_USE = "SELECT 1 FROM learned JOIN plans ON plans.number = learned.plan WHERE plan_id = ? LIMIT 1"
_COPIED = (
    "method, pattern, content, query, values_key,"
    " plan, body_shape, learned_at, failures, quarantined, slug_asked"
)

#: Versions of a plan that are kept from before its edits.
_MOST_FORMER: Final = 20
_TRIM_FORMER: Final = (
    "DELETE FROM former WHERE number IN"
    " (SELECT number FROM former WHERE plan_id = ? ORDER BY number DESC LIMIT -1 OFFSET ?)"
)

_log = structlog.get_logger()


class PlanLibrary:
    """Made by `open`. Every method raises LibraryError."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, max_plans: int = MAX_PLANS) -> None:
        self._path = path
        self._connection = connection
        self._max_plans = max_plans

    @classmethod
    def open(cls, path: Path, *, max_plans: int = MAX_PLANS) -> Self:
        """Open the file at `path`, or make it; one that cannot be used is set aside."""
        return cls(path, open_file(path), max_plans=max_plans)

    def close(self) -> None:
        self._connection.close()

    def catch_up(self) -> bool:
        """Have what others have done to it; whether there was anything. Here nobody else does."""
        return False

    # What planning asks

    def find(self, *fingerprints: str, session: str = "") -> Iterator[PlanRecord]:
        """The plans for each fingerprint in turn: what is pinned, then a person's, then the model's.

        What a person did last comes first, but what the model wrote first. A newer one was asked for by a
        session that the older one failed in: others keep what is good for them, until it is in quarantine
        in two sessions. Not those that are quarantined in the session (a directory's name). Each is read
        when it is asked for: mostly the first one is taken.
        """
        for fingerprint in fingerprints:
            for place in itertools.count():
                found = self._rows(_FOUND, (fingerprint, session, place))
                if not found:
                    break
                yield read_plan(found[0])

    def learn(
        self, record: PlanRecord, session: Session, body_shape: str, *, for_person: bool = False
    ) -> int | None:
        """Keep the plan, and that this session has learned it; the number of the learned route.

        None where a person has pinned or written another plan for this route: then that one stays. For a
        person only a pinned one does. One that the policy refuses holds no route, though it stays in the
        library: it answers nothing, so that each request would be planned anew. The questions about a
        slug's words are the route's, whichever plan it has; failures are the plan's.
        """
        route = (session.directory, *_route_key(record))
        with self._writing() as connection:
            plan = self._add(connection, record)
            held = _kept_instead(connection, route, plan)
            if held == _PINNED or (held and not for_person):
                _log.info(held, session=session.id, route=record.route, instead_of=record.plan_id)
                return None
            # Not an upsert: what was learned last has the highest number.
            gone = connection.execute(f"DELETE FROM learned WHERE {_ROUTE} RETURNING slug_asked", route)  # noqa: S608
            asked = sum(count for (count,) in gone.fetchall())
            row = (*route, plan, session.id, body_shape, now_text(), "[]", 0, asked)
            number = connection.execute(_LEARN, row).lastrowid
            _trim(connection, session.directory, values=bool(record.values_key))
            return number

    def _add(self, connection: sqlite3.Connection, record: PlanRecord) -> int:
        if not record.created_at:
            record = evolve(record, created_at=now_text())
        number: int = connection.execute(_ADD, plan_row(record)).fetchone()[0]
        if record.view:
            connection.execute("INSERT OR REPLACE INTO views VALUES (?, ?)", (number, record.view))
        if record.told and not record.values_key:
            connection.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (number, record.told))
        if record.values_key:
            # Another plan for the identical request, which only this one session can have.
            connection.execute(
                "DELETE FROM plans WHERE values_key = ? AND values_key != '' AND number != ? AND NOT pinned",
                (record.values_key, number),
            )
        (count,) = connection.execute("SELECT count(*) FROM plans").fetchone()
        connection.execute(
            f"DELETE FROM plans WHERE number IN (SELECT number FROM plans WHERE NOT {_KEPT} AND number != ?"  # noqa: S608
            " ORDER BY number LIMIT ?)",
            (number, max(0, count - self._max_plans)),
        )
        return number

    def routes_of(self, session: str) -> list[LearnedRecord]:
        """What the session (a directory's name) has learned, the oldest first."""
        rows = self._rows(f"{_JOINED} WHERE session = ? ORDER BY learned.number", (session,))
        return [read_learned(row) for row in rows]

    def view_of(self, route: int) -> str:
        """The view that the author of a learned route's plan was shown; empty where that is not known."""
        sql = "SELECT view FROM learned JOIN views ON views.plan = learned.plan WHERE learned.number = ?"
        return next((view for (view,) in self._rows(sql, (route,))), "")

    def mark_failures(self, number: int, failures: str, *, quarantined: bool) -> None:
        """Note on which body shapes (digests, as JSON) a learned route has failed since it last worked."""
        self._change(
            "UPDATE learned SET failures = ?, quarantined = ? WHERE number = ?",
            (failures, int(quarantined), number),
        )

    def mark_asked(self, number: int, slug_asked: int) -> None:
        """Note how often the planner was asked about words that a slug of this route took."""
        self._change("UPDATE learned SET slug_asked = ? WHERE number = ?", (slug_asked, number))

    def record_rules(self, shown: str) -> str | None:
        """What a model has answered to this question about a contract's resource schema."""
        rows = self._rows("SELECT answer FROM record_rules WHERE shown = ?", (shown,))
        return str(rows[0][0]) if rows else None

    def keep_record_rules(self, shown: str, answer: str) -> None:
        """The first answer stays; the oldest of too many go."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO record_rules (shown, answer) VALUES (?, ?)", (shown, answer)
            )
            connection.execute(
                "DELETE FROM record_rules WHERE number IN"
                " (SELECT number FROM record_rules ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (MAX_RECORD_RULES,),
            )

    # What people do

    def plans(self, *, limit: int = 100, after: int = 0) -> list[PlanRecord]:
        """A page of all plans in the order they came; `after` is the last number of the page before."""
        sql = f"SELECT {_PLANS} FROM plans WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        return [read_plan(row) for row in self._rows(sql, (after, limit))]

    def listed(
        self, *, limit: int = 100, after: int = 0, session: str = ""
    ) -> list[tuple[PlanRecord, int, int]]:
        """A page of the plans, or of those that a session has learned; `after` is the last number before it.

        Each with the number of sessions that use it, and of routes in quarantine.
        """
        mine = (
            " AND plan_id IN (SELECT same.plan_id FROM learned"
            " JOIN plans AS same ON same.number = learned.plan WHERE session = ?)"
        )
        sql = f"{_LISTED} AND number > ?{mine if session else ''} ORDER BY number LIMIT ?"
        params = (after, session, limit) if session else (after, limit)
        return [(read_plan(row[2:]), row[0], row[1]) for row in self._rows(sql, params)]

    def named(self, prefix: str) -> list[str]:
        """The ids of at most two plans that begin so; a prefix is of hex digits."""
        rows = self._rows(
            "SELECT DISTINCT plan_id FROM plans WHERE plan_id >= ? AND plan_id < ? LIMIT 2",
            (prefix, f"{prefix}g"),
        )
        return [plan_id for (plan_id,) in rows]

    def show(self, plan_id: str) -> list[PlanRecord]:
        """The plan, once for every fingerprint that it answers."""
        sql = f"SELECT {_PLANS} FROM plans WHERE plan_id = ? ORDER BY number"  # noqa: S608
        return [read_plan(row) for row in self._rows(sql, (plan_id,))]

    def learned_from(self, plan_id: str) -> list[LearnedRecord]:
        """Where the plan is in use."""
        rows = self._rows(f"{_JOINED} WHERE plan_id = ? ORDER BY learned.number", (plan_id,))
        return [read_learned(row) for row in rows]

    def in_use(self, plan_id: str) -> bool:
        """Whether any session has learned it."""
        return bool(self._rows(_IN_USE, (plan_id,)))

    def pin(self, plan_id: str, *, pinned: bool = True) -> int:
        """Have a plan served whatever its versions and failures, or no longer; how many rows it was."""
        with self._writing() as connection:
            if pinned:
                connection.execute(_CLEAR_FAILURES, (plan_id,))
            changed = connection.execute(
                "UPDATE plans SET pinned = ? WHERE plan_id = ?", (int(pinned), plan_id)
            )
            return changed.rowcount

    def edit(self, plan_id: str, runnable: RunnablePlan, versions: Versions) -> int:
        """Put a plan that differs in its code alone in a plan's place; how many rows it was.

        From now on a person has written it, under these versions, and its failures were another one's.
        """
        plan = runnable.plan
        return self.edit_text(plan_id, (runnable.id, plan_text(runnable), plan.route, plan.needs), versions)

    def edit_text(self, plan_id: str, made: tuple[str, str, str, str], versions: Versions) -> int:
        """As `edit`; `made` is the other plan: its id, its text, its route, and what it needs."""
        new, text, route, needs = made
        with self._writing() as connection:
            connection.execute(_CLEAR_FAILURES, (plan_id,))
            connection.execute(
                "UPDATE plans SET v_prompt = ?, v_policy = ?, v_model = ?, v_rules = ? WHERE plan_id = ?",
                (versions.prompt, versions.policy, versions.model, versions.rules, plan_id),
            )
            connection.execute("UPDATE edited SET new = ? WHERE new = ?", (new, plan_id))
            connection.execute("INSERT OR REPLACE INTO edited VALUES (?, ?)", (plan_id, new))
            connection.execute("DELETE FROM edited WHERE old = new")
            _keep_former(connection, plan_id, new)
            return connection.execute(
                "UPDATE plans SET plan_id = ?, plan = ?, provider = ?, model = ''"
                " WHERE plan_id = ? AND route = ? AND needs = ?",
                (new, text, PERSON, plan_id, route, needs),
            ).rowcount

    def successors(self, prefix: str) -> list[str]:
        """The ids of at most two plans that edits made of those whose ids began so."""
        rows = self._rows(
            "SELECT DISTINCT new FROM edited WHERE old >= ? AND old < ?"
            " AND new IN (SELECT plan_id FROM plans) LIMIT 2",
            (prefix, f"{prefix}g"),
        )
        return [plan_id for (plan_id,) in rows]

    def source(self, plan_id: str) -> str:
        """What a person wrote for the plan, word for word; empty where nobody did."""
        rows = self._rows("SELECT text FROM sources WHERE plan_id = ?", (plan_id,))
        return str(rows[0][0]) if rows else ""

    def told(self, plan_id: str) -> str:
        """What the plan's author was shown of the request; empty where that is not known."""
        sql = "SELECT text FROM told JOIN plans ON plans.number = told.plan WHERE plan_id = ? LIMIT 1"
        return next((str(text) for (text,) in self._rows(sql, (plan_id,))), "")

    def former(self, plan_id: str) -> list[Former]:
        """What the plan was before each edit, the latest first."""
        sql = "SELECT old, plan, author, until FROM former WHERE plan_id = ? ORDER BY number DESC"
        return [Former(*row) for row in self._rows(sql, (plan_id,))]

    def keep_source(self, plan_id: str, text: str) -> None:
        """Keep what a person wrote beside the plan that is made of it; those of plans that are gone go."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (plan_id, text))
            connection.execute("DELETE FROM sources WHERE plan_id NOT IN (SELECT plan_id FROM plans)")

    def keep(self, record: PlanRecord) -> int:
        """Add a plan that no session has learned yet; its number."""
        with self._writing() as connection:
            return self._add(connection, record)

    def sessions(self) -> dict[str, tuple[str, int]]:
        """Of each session that has learned anything, by its directory's name: its id, and how many routes."""
        rows = self._rows("SELECT session, max(session_id), count(*) FROM learned GROUP BY session", ())
        return {directory: (session_id, count) for directory, session_id, count in rows}

    def forget(self, plan_id: str) -> int:
        """Delete a plan, and every route learned from it; how many rows it was."""
        return self._change("DELETE FROM plans WHERE plan_id = ?", (plan_id,))

    def forget_session(self, session: str) -> int:
        """Delete what a session has learned, and the plans that were for it alone; how many routes."""
        with self._writing() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM learned WHERE session = ?", (session,)
            ).fetchone()
            own = "SELECT plan FROM learned WHERE session = ? AND values_key != ''"
            connection.execute(f"DELETE FROM plans WHERE number IN ({own})", (session,))  # noqa: S608
            connection.execute("DELETE FROM learned WHERE session = ?", (session,))
            return int(count)

    def copy_session(self, source: str, target: Session) -> int:
        """Have a session that has learned nothing know what another one (a directory's name) knows.

        But for plans that answer a single request of that one. How many routes it was.
        """
        return self._change(
            f"INSERT INTO learned (session, session_id, {_COPIED})"  # noqa: S608
            f" SELECT ?, ?, {_COPIED} FROM learned WHERE session = ? AND values_key = '' ORDER BY number",
            (target.directory, target.id, source),
        )

    # The file

    def _rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._failures():
            return self._connection.execute(sql, params).fetchall()

    def _change(self, sql: str, params: Sequence[Any]) -> int:
        with self._writing() as connection:
            return connection.execute(sql, params).rowcount

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # A closed connection: the last time, the file could not be opened.
            if is_damage(error) or isinstance(error, sqlite3.ProgrammingError):
                self._start_over()
            raise LibraryError("the plan library failed") from error

    def _start_over(self) -> None:
        """Open the file anew, which reads all of it: SQLite calls a read that failed damage, too."""
        self._connection.close()
        self._connection = open_file(self._path)


def _keep_former(connection: sqlite3.Connection, plan_id: str, new: str) -> None:
    """What the plan is now goes under the name that the edit gives it, with what it was before."""
    connection.execute("UPDATE former SET plan_id = ? WHERE plan_id = ?", (new, plan_id))
    connection.execute(
        "INSERT INTO former (plan_id, old, plan, author, until) SELECT ?, plan_id, plan,"
        " rtrim(provider || '/' || model, '/'), ? FROM plans WHERE plan_id = ? LIMIT 1",
        (new, now_text(), plan_id),
    )
    connection.execute(_TRIM_FORMER, (new, _MOST_FORMER))
    gone = "DELETE FROM former WHERE plan_id != ? AND plan_id NOT IN (SELECT plan_id FROM plans)"
    connection.execute(gone, (new,))


def _route_key(record: PlanRecord) -> tuple[str, ...]:
    return (record.method, pattern(record.route), record.content, record.query, record.values_key)


def _kept_instead(connection: sqlite3.Connection, route: tuple[str, ...], plan: int) -> str:
    """What the log says where the session keeps another plan for the route; empty where it keeps none."""
    held = connection.execute(
        f"SELECT {_PLANS} FROM learned JOIN plans ON plans.number = learned.plan"  # noqa: S608
        f" WHERE {_ROUTE} AND {_KEPT} AND plans.number != ?",
        (*route, plan),
    ).fetchone()
    if held is None or not may_run(record := read_plan(held)):
        return ""
    return _PINNED if record.pinned else _PERSONS


def _trim(connection: sqlite3.Connection, session: str, *, values: bool) -> None:
    """Delete what is beyond a session's share; a values plan goes with its only route."""
    keep = MAX_VALUES_PLANS if values else MAX_ROUTES
    surplus = connection.execute(_SURPLUS, (session, int(not values), keep)).fetchall()
    table, column = ("plans", 1) if values else ("learned", 0)
    connection.executemany(
        f"DELETE FROM {table} WHERE number = ?",  # noqa: S608
        [(row[column],) for row in surplus],
    )


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
