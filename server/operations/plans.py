"""What was learned: seen, corrected, kept, forgotten, taken elsewhere."""

from __future__ import annotations

import ast
import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from attrs import asdict, evolve

from server.operations import portable
from server.operations.naming import plan_named
from server.planning.codec import PlanInvalid, decode
from server.planning.kinds.route import RouteError, RouteTemplate
from server.planning.learned.library_rows import ANY_QUERY, UnreadablePlan
from server.planning.learned.vetting import vetted
from server.planning.policy import CodeRefused, check
from server.values.errors import Conflict, NotFound, Unprocessable
from server.values.model import RunnablePlan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from server.planning.drafting.switch import LearningSwitch
    from server.planning.kinds.fingerprint import Versions
    from server.planning.learned.library import PlanLibrary
    from server.planning.learned.library_rows import Former, LearnedRecord, PlanRecord
    from server.planning.learned.routes import LearnedRoutes
    from server.values.model import Plan, Session, ValidatedCode

#: With this begin lines that are no part of the code.
NOTICE = "#|"
_NO_LIBRARY = "The service has learned nothing yet, and has no plan library."


class PlanOperations:
    """`learned` is None in a service of conventions alone; `session` finds one by its name."""

    def __init__(
        self,
        learned: LearnedRoutes | None,
        switch: LearningSwitch | None,
        session: Callable[[str], Awaitable[Session]],
    ) -> None:
        self._learned = learned
        self._switch = switch
        self._session = session

    async def listed(self, *, session: str = "", limit: int = 100, after: int = 0) -> dict[str, Any]:
        """A page of plans, the oldest first; `next` is the `after` of the next page, null on the last one."""
        learned = self._learned
        if learned is None:
            return {"plans": [], "next": None}
        directory = (await self._session(session)).directory if session else ""
        rows = await learned.read(
            lambda library: library.listed(limit=limit + 1, after=after, session=directory)
        )
        shown = [
            {**_summary(record, learned.versions), "sessions": sessions, "quarantined": held}
            for record, sessions, held in rows[:limit]
        ]
        return {"plans": shown, "next": rows[limit - 1][0].number if len(rows) > limit else None}

    async def show(self, name: str) -> dict[str, Any]:
        """A plan with its code, and where it is in use. Raises NotFound, BadRequest, Conflict.

        `source` is what a person wrote, with comments and layout, of which `code` is the checked form; or
        null. `prompt` is what the model was shown of the first such request, where it is known; `body` the
        types of the body that a session's first such request had (`JsonType.as_json`), or null; `former`
        what the plan was before each edit, the latest first.
        """
        learned = self._library()

        def read(
            library: PlanLibrary,
        ) -> tuple[list[PlanRecord], list[LearnedRecord], str, str, list[Former]]:
            plan_id = plan_named(library, name)
            about = library.source(plan_id), library.told(plan_id), library.former(plan_id)
            return library.show(plan_id), library.learned_from(plan_id), *about

        records, uses, source, told, former = await learned.read(read)
        record = records[0]
        return {
            **_summary(record, learned.versions),
            "versions": asdict(record.versions),
            "fingerprints": [each.fingerprint for each in records],
            "learned": list(map(_use, uses)),
            "code": _shown_code(record),
            "source": source if portable.is_source(source, record) else None,
            "prompt": told or None,
            "body": _body(uses),
            "former": [_former(each) for each in former],
        }

    async def record(self, name: str) -> PlanRecord:
        """A plan's first row. Raises NotFound, BadRequest, Conflict."""
        return (await self._library().read(lambda library: library.show(plan_named(library, name))))[0]

    async def edit(
        self, name: str, code: str, *, pin: bool = False, check_only: bool = False
    ) -> dict[str, Any]:
        """Have a plan run other code, wherever it is in use; `changed` is false where it says the same.

        Raises Unprocessable with `violations` (line and column from 1) or `reasons`, Conflict, NotFound.
        """
        learned, record = self._library(), await self.record(name)
        runnable = edited(record, code)
        source = without_notice(code)
        if check_only:
            return {"id": runnable.id, "changed": runnable.id != record.plan_id, "code": runnable.code.text}
        if runnable.id != record.plan_id:
            await learned.change(lambda library: _edit(library, record.plan_id, runnable, learned))
        await learned.change(lambda library: library.keep_source(runnable.id, source))
        if pin:
            await learned.change(lambda library: library.pin(runnable.id))
        self._start_afresh()
        return {**await self.show(runnable.id), "changed": runnable.id != record.plan_id}

    async def pin(self, name: str, *, pinned: bool = True) -> dict[str, Any]:
        """Keep a plan from being replaced, by a repair, another plan, or for being stale; or no longer."""
        learned, record = self._library(), await self.record(name)
        await learned.change(lambda library: library.pin(record.plan_id, pinned=pinned))
        return {"id": record.plan_id, "pinned": pinned}

    async def forget(self, name: str, *, force: bool = False) -> dict[str, Any]:
        """Delete a plan, and what was learned from it: the next such request is planned anew.

        Raises Conflict for a pinned one without `force`.
        """
        learned, record = self._library(), await self.record(name)
        if record.pinned and not force:
            raise Conflict(
                f"Plan {record.plan_id} is pinned: `plans pin --undo` unpins it, `plans forget --force` "
                "(?force=true) forgets it all the same."
            )
        routes = await learned.read(lambda library: len(library.learned_from(record.plan_id)))
        await learned.change(lambda library: library.forget(record.plan_id))
        self._start_afresh()
        return {"id": record.plan_id, "routes": routes}

    async def export(self, *, session: str = "", name: str = "") -> dict[str, Any]:
        """All plans, those that a session has learned, or one, for another service; see `portable`."""
        if self._learned is None:
            return portable.document([])
        directory = (await self._session(session)).directory if session else ""
        rows = await self._learned.read(lambda library: portable.rows(library, directory, name))
        return portable.document(rows)

    async def import_(
        self, document: dict[str, Any], *, session: str = "", pin: bool = False
    ) -> dict[str, Any]:
        """Take in exported plans, all or none; with `session` it has learned them, whatever it was before.

        `in_use` says whether any session has learned one of them; `held_back` are those that `session` does
        not know, because it has another one pinned for their route.

        Raises Unprocessable that says which plan is refused, and why.
        """
        learned = self._library()
        # Ten thousand plans go through the policy for half a minute: not on the event loop.
        items = await asyncio.to_thread(portable.read, document, learned.versions)
        target = await self._session(session) if session else None
        held_back = await learned.change(lambda library: portable.keep(library, items, target, pin=pin))
        self._start_afresh()
        plans = [item.record.plan_id for item in items]
        used = await learned.read(lambda library: any(map(library.in_use, plans)))
        return {"plans": plans, "session": session or None, "in_use": used, "held_back": held_back}

    def _library(self) -> LearnedRoutes:
        if self._learned is None:
            raise NotFound(_NO_LIBRARY)
        return self._learned

    def _start_afresh(self) -> None:
        if self._switch is not None:
            self._switch.start_afresh()


def without_notice(code: str) -> str:
    """What a person wrote, without the lines that `plans edit` puts before it for them to read."""
    lines = code.splitlines(keepends=True)
    while lines and lines[0].startswith(NOTICE):
        del lines[0]
    return "".join(lines)


def edited(record: PlanRecord, code: str) -> RunnablePlan:
    """The record's plan with other code, through codec and policy. Raises Unprocessable, Conflict."""
    if record.needs == "values":
        raise Conflict("This plan answers one request with its own values; forget it instead.")
    plan = _readable(record)
    route = RouteTemplate.parse(plan.route)
    answer = {
        **{name: getattr(plan, name) for name in ("action", "resource", "route", "identifier")},
        **{name: getattr(plan, name) for name in ("response_hints", "needs", "query")},
        "code": {"block": code},
    }
    try:
        read = decode(orjson.dumps(answer).decode(), portable.sample(route))
    except (PlanInvalid, orjson.JSONEncodeError) as error:
        reasons = list(error.reasons) if isinstance(error, PlanInvalid) else ["the code is not text"]
        raise Unprocessable("; ".join(reasons), reasons=reasons) from None
    read = evolve(read, criteria=plan.criteria, payload=plan.payload)
    return RunnablePlan(read, checked(code, route.slots), "learned")


def as_recorded(record: PlanRecord) -> RunnablePlan:
    """The record's plan as it is. Raises Conflict where it is not readable, Unprocessable as `checked`."""
    with _as_service_errors(record):
        return vetted(record)


def checked(code: str, slots: Collection[str]) -> ValidatedCode:
    """The code through the policy. Raises Unprocessable with `violations`, line and column from 1."""
    try:
        return check(SourceCode(code), slots)
    except CodeRefused as refused:
        raise _refusal(refused) from None


def _refusal(refused: CodeRefused) -> Unprocessable:
    violations = shown_violations(refused)
    count = len(violations)
    return Unprocessable(
        f"The policy refuses the code: {count} violation{'s' * (count != 1)}.", violations=violations
    )


def shown_violations(refused: CodeRefused) -> list[dict[str, Any]]:
    """What is wrong with the code, by line and column from 1; 0 where it is about the whole text."""
    lines = refused.code.splitlines()
    return [
        {
            "line": each.line,
            "column": _column(lines, each.line, each.column),
            "rule": each.rule,
            "message": each.message,
        }
        for each in refused.violations
    ]


def _column(lines: list[str], line: int, column: int) -> int:
    """A column in UTF-8 bytes from 0 as one in characters from 1; 0 where it is about the whole text."""
    if not 1 <= line <= len(lines):
        return 0
    return len(lines[line - 1].encode(errors="surrogatepass")[:column].decode(errors="ignore")) + 1


def _edit(library: PlanLibrary, plan_id: str, runnable: RunnablePlan, learned: LearnedRoutes) -> None:
    if library.show(runnable.id):
        raise Conflict(f"With this code it would be the same as plan {runnable.id}: forget one of them.")
    library.edit(plan_id, runnable, learned.versions)


def _readable(record: PlanRecord) -> Plan:
    with _as_service_errors(record):
        RouteTemplate.parse(record.route)
        return record.plan()


@contextmanager
def _as_service_errors(record: PlanRecord) -> Iterator[None]:
    """Raises Conflict and Unprocessable for what is wrong with a row of the library."""
    try:
        yield
    except (UnreadablePlan, RouteError):
        raise Conflict(f"Plan {record.plan_id} is not readable; forget it.") from None
    except CodeRefused as refused:
        raise _refusal(refused) from None


def _summary(record: PlanRecord, versions: Versions) -> dict[str, Any]:
    return {
        "id": record.plan_id,
        "method": record.method,
        "route": record.route,
        "content": record.content,
        "query": _query(record),
        "needs": record.needs,
        "author": f"{record.origin.provider}/{record.origin.model}".rstrip("/"),
        "created_at": record.created_at,
        "pinned": record.pinned,
        "stale": record.is_stale(versions),
        **_of_plan(record),
    }


def _query(record: PlanRecord) -> list[str] | str:
    if record.query == ANY_QUERY:
        return "any"
    try:
        return list(record.query_keys() or ())
    except UnreadablePlan:
        return "unreadable"


def _of_plan(record: PlanRecord) -> dict[str, Any]:
    try:
        plan = record.plan()
    except UnreadablePlan:
        return {"action": None, "resource": None}
    return {"action": plan.action, "resource": plan.resource}


def _former(version: Former) -> dict[str, Any]:
    try:
        code = version.plan().code.text
    except UnreadablePlan:
        code = ""
    return {"id": version.plan_id, "author": version.author, "until": version.until, "code": code}


def _use(record: LearnedRecord) -> dict[str, Any]:
    try:
        failures = len(record.failed_shapes())
    except UnreadablePlan:
        failures = 0
    return {
        "session": record.session_id,
        "directory": record.session,
        "learned_at": record.learned_at,
        "failures": failures,
        "quarantined": record.held,
    }


def _body(uses: list[LearnedRecord]) -> Any:
    for each in uses:
        if each.body_shape:
            return orjson.loads(each.body_shape)
    return None


def _shown_code(record: PlanRecord) -> str:
    """The code; of a plan for a single request without its literals, which are that request's values."""
    try:
        text = record.plan().code.text
    except UnreadablePlan:
        return ""
    return text if record.needs == "shape" else _without_literals(text)


def _without_literals(text: str) -> str:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return ast.unparse(_Masker().visit(tree))


class _Masker(ast.NodeTransformer):
    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return ast.copy_location(ast.Constant("..."), node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if node.value is None or isinstance(node.value, bool):
            return node
        return ast.copy_location(ast.Constant(...), node)
