"""Plans as a file that another service takes in.

    {"format": "metaservice plans", "version": 1, "plans": [{
        "method", "route", "content", "query", "action", "resource", "identifier", "response_hints",
        "code": [lines], "author": {"provider", "model"}, "versions": {...}, "fingerprint", "body_shape",
        "created_at", "pinned"}]}

Only method, route, resource and code must be there: such a file can be written by hand.

1. Nothing in it is a request's value: plans for a single request are left out.
2. Whoever takes it in trusts nothing of it: codec and policy see every plan.
3. A fingerprint is over prompt, policy, model and rules, too. Where these differ a plan is found by no
   fingerprint; it serves the session it is given to, stale unless it is pinned or a person's.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

import cattrs
import orjson
from attrs import asdict, evolve, frozen

from server.operations.naming import plan_named
from server.planning.codec import PlanInvalid, decode
from server.planning.kinds.fingerprint import Versions
from server.planning.kinds.route import RouteError, RouteTemplate, Slot
from server.planning.learned.library_rows import (
    ANY_QUERY,
    PERSON,
    Origin,
    PlanRecord,
    UnreadablePlan,
    plan_text,
)
from server.planning.policy import CodeRefused, check
from server.values.errors import BadRequest, Unprocessable
from server.values.model import METHODS, ContentKind, RunnablePlan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.planning.learned.library import PlanLibrary
    from server.values.model import Session

FORMAT: Final = "metaservice plans"
VERSION: Final = 1
MAX_PLANS: Final = 10_000
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{40}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(?:Z|[+-][0-9]{2}:[0-9]{2})")
_A_TIME: Final = "2026-01-31T12:00:00+00:00"
_CONTENT: Final = ("", *get_args(ContentKind))
_MAX_SHAPE_BYTES: Final = 65_536
_NEEDED: Final = frozenset({"method", "route", "resource", "code"})
_DEFAULTS: Final[dict[str, Any]] = {
    "action": "do",
    "identifier": None,
    "response_hints": {},
    "query": [],
    "content": "",
    "author": {"provider": PERSON, "model": ""},
    "versions": None,
    "fingerprint": "",
    "body_shape": None,
    "created_at": "",
    "pinned": False,
}
_PAGE: Final = 500
_SAMPLES: Final = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "text": "A1", "slug": "a"}


@frozen
class Item:
    """A plan and the shape of the body that it was learned with, as canonical JSON.

    `source` is what a person wrote, where that is more than the plan's code.
    """

    record: PlanRecord
    body_shape: str
    source: str = ""


def rows(library: PlanLibrary, session: str, name: str) -> list[Item]:
    """The plans that a session (a directory's name) has learned, that one plan, or all."""
    if session:
        return [
            Item(each.plan, each.body_shape, library.source(each.plan.plan_id))
            for each in library.routes_of(session)
        ]
    if name:
        return [_item(library, each) for each in library.show(plan_named(library, name))]
    found: list[PlanRecord] = []
    while page := library.plans(limit=_PAGE, after=found[-1].number if found else 0):
        found += page
    return [_item(library, each) for each in found]


def _item(library: PlanLibrary, record: PlanRecord) -> Item:
    uses = library.learned_from(record.plan_id)
    return Item(record, uses[0].body_shape if uses else "null", library.source(record.plan_id))


def is_source(text: str, record: PlanRecord) -> bool:
    """Whether the record's plan is made of this text: its file may have been edited."""
    try:
        return bool(text) and check(SourceCode(text)).text == record.plan().code.text
    except (CodeRefused, UnreadablePlan):
        return False


def document(items: Iterable[Item]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "plans": [found for item in items if (found := _said(item))],
    }


def _said(item: Item) -> dict[str, Any] | None:
    """None for what is no plan for a shape, or not readable."""
    record = item.record
    try:
        plan, keys = record.plan(), record.query_keys()
    except UnreadablePlan:
        return None
    if record.needs != "shape":
        return None
    return {
        "method": record.method,
        "route": record.route,
        "content": record.content,
        "query": "any" if keys is None else list(keys),
        **{name: getattr(plan, name) for name in ("action", "resource", "identifier", "response_hints")},
        "code": (item.source if is_source(item.source, record) else plan.code.text).splitlines(),
        "author": asdict(record.origin),
        "versions": asdict(record.versions),
        "fingerprint": record.fingerprint,
        "body_shape": orjson.loads(item.body_shape),
        "created_at": record.created_at,
        "pinned": record.pinned,
    }


def read(found: dict[str, Any], versions: Versions) -> list[Item]:
    """The plans of a file; `versions` are those of plans that name none.

    Raises BadRequest for another file, Unprocessable for a plan that is refused.
    """
    plans = found.get("plans")
    if found.get("format") != FORMAT or not isinstance(plans, list):
        raise BadRequest(f'This is no file of plans: it has no `"format": "{FORMAT}"`.')
    if found.get("version") != VERSION:
        raise BadRequest(f"This version reads files of plans of version {VERSION}.")
    if len(plans) > MAX_PLANS:
        raise BadRequest(f"A file holds {MAX_PLANS} plans at most.", limit=MAX_PLANS)
    return [_read(number, each, versions) for number, each in enumerate(plans, 1)]


def _read(number: int, said: Any, versions: Versions) -> Item:
    if not isinstance(said, dict):
        raise Unprocessable(f"Plan {number} is no object.", plan=number)
    try:
        return _item_of(_DEFAULTS | said, versions)
    except CodeRefused as error:
        detail = f"Plan {number} ({said.get('method')} {said.get('route')}) is refused: {error}"
        raise Unprocessable(detail, plan=number) from None
    except (PlanInvalid, RouteError, _Wrong) as error:
        raise Unprocessable(f"Plan {number} is refused: {error}.", plan=number) from None
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError):
        detail = f"Plan {number} is refused: it lacks a member, or one is of another kind than it must be."
        raise Unprocessable(detail, plan=number) from None


class _Wrong(ValueError):
    """A member that is not what it must be; the message says which."""


def _item_of(said: dict[str, Any], versions: Versions) -> Item:
    query = said["query"]
    _check_members(said)
    answer = {
        **{name: said[name] for name in ("action", "resource", "route", "identifier", "response_hints")},
        "query": "any" if query == "any" else "declared",
        "code": {"block": _code(said["code"])},
    }
    plan = decode(orjson.dumps(answer).decode(), sample(RouteTemplate.parse(said["route"])))
    runnable = RunnablePlan(plan, check(plan.code, RouteTemplate.parse(plan.route).slots), "learned")
    content: ContentKind = said["content"] or ("json" if _reads_body(runnable) else "none")
    keys = ANY_QUERY if query == "any" else orjson.dumps(sorted(query)).decode()
    record = PlanRecord(
        plan_id=runnable.id,
        fingerprint=said["fingerprint"] or _no_fingerprint(runnable, said["method"], content, keys),
        method=said["method"],
        route=plan.route,
        content=content,
        query=keys,
        needs="shape",
        text=plan_text(runnable),
        origin=cattrs.structure(said["author"], Origin),
        versions=cattrs.structure(said["versions"], Versions) if said["versions"] else versions,
        created_at=said["created_at"],
        pinned=said["pinned"],
    )
    written = _code(said["code"])
    source = "" if written.strip() == runnable.code.text else written
    return Item(record, orjson.dumps(said["body_shape"], option=orjson.OPT_SORT_KEYS).decode(), source)


def _check_members(said: dict[str, Any]) -> None:
    """What codec and policy do not look at. Raises _Wrong."""
    query, fingerprint = said["query"], said["fingerprint"]
    _require(said.keys() <= _DEFAULTS.keys() | _NEEDED, "there is a member that no plan has")
    _require(said["method"] in METHODS and said["method"] not in ("HEAD", "OPTIONS"), "`method`")
    _require(said["content"] in _CONTENT, "`content`")
    _require(query == "any" or _are_texts(query), "`query`")
    _require(fingerprint == "" or _FINGERPRINT.fullmatch(fingerprint) is not None, "`fingerprint`")
    _require(len(orjson.dumps(said["body_shape"])) <= _MAX_SHAPE_BYTES, "`body_shape` is too long")
    _require(isinstance(said["pinned"], bool), "`pinned`")
    _require(_is_time(said["created_at"]), f"`created_at` must be empty, or a time such as {_A_TIME}")


def _is_time(value: Any) -> bool:
    """As ISO 8601 writes one; empty where it is not known."""
    if not isinstance(value, str) or not (value == "" or _TIME.fullmatch(value)):
        return False
    try:
        return value == "" or datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _code(said: Any) -> str:
    _require(isinstance(said, str) or _are_texts(said), "`code`")
    return said if isinstance(said, str) else "\n".join(said)


def _reads_body(runnable: RunnablePlan) -> bool:
    return any(name in runnable.code.text for name in ("body_json", "payload"))


def _no_fingerprint(runnable: RunnablePlan, *kind: str) -> str:
    """One that no request has: such a plan is found by the sessions that it is given to, and by no other.

    It is another for each kind of request, so that one code can be written for several.
    """
    text = " ".join(("written:", runnable.id, *kind))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _require(holds: bool, name: str) -> None:  # noqa: FBT001 - a condition is what it is about
    if not holds:
        raise _Wrong(f"{name} is wrong" if name.startswith("`") and name.endswith("`") else name)


def sample(route: RouteTemplate) -> tuple[str, ...]:
    """Segments of a path that the route is for."""
    return tuple(_SAMPLES[part.kind] if isinstance(part, Slot) else part for part in route.parts)


def keep(library: PlanLibrary, items: list[Item], session: Session | None, *, pin: bool) -> list[str]:
    """Put the plans into the library, and have the session know them.

    Gives the ids of those that it does not know, because another one is pinned for their route; these are not
    pinned either.
    """
    held_back = []
    for item in items:
        record, pinned = item.record, item.record.pinned or pin
        if session is None:
            library.keep(evolve(record, pinned=pinned))
        elif library.learn(evolve(record, pinned=False), session, item.body_shape, for_person=True) is None:
            held_back.append(record.plan_id)
            continue
        if item.source:
            library.keep_source(record.plan_id, item.source)
        if pinned:
            library.pin(record.plan_id)
    return held_back
