"""What changes for clients, plans and records where a contract takes another one's place.

Operations are the same by method and path, whatever their slots are called. Of a change it is said whether it
*breaks*: whether a client that kept to the old document may be refused, or no longer finds what it read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import asdict

from server.contracts.paths import alike, path_of
from server.contracts.records import faults
from server.contracts.schema_changes import Change, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from server.contracts.contract import Contract
    from server.contracts.document import Operation
    from server.contracts.model import Role
    from server.contracts.schema_changes import Side
    from server.contracts.views import Views

#: Records that are named one by one; all are counted.
MOST_RECORDS: Final = 1_000
_Key = tuple[str, tuple[str, ...]]


def compared(old: Contract | None, new: Contract) -> dict[str, Any]:
    """`added`, `removed` and `changed` operations, the last with what changes; `breaks`: any of it does."""
    before = {} if old is None else _operations(old)
    after = _operations(new)
    changed: list[dict[str, Any]] = []
    for key in before.keys() & after.keys():
        found = list(_changes(before[key], after[key], old, new)) if old is not None else []
        if old is not None and _bases(old) != _bases(new):
            found.append(Change("has another base path", breaks=True))
        if not found and before[key].operation.digest != after[key].operation.digest:
            found.append(Change("is described otherwise", breaks=False))
        if found:
            changed.append({"operation": _named(after[key]), "changes": [asdict(each) for each in found]})
    removed = sorted(_named(before[key]) for key in before.keys() - after.keys())
    return {
        "added": sorted(_named(after[key]) for key in after.keys() - before.keys()),
        "removed": removed,
        "changed": sorted(changed, key=lambda each: str(each["operation"])),
        "breaks": bool(removed) or any(each["breaks"] for one in changed for each in one["changes"]),
    }


def misfits(new: Contract, records: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Any]:
    """`records` by collection. Those that do not fit any more, by collection, id, pointer and keyword."""
    found: list[dict[str, Any]] = []
    total = 0
    by_name = {each.name: each for each in new.model.resources}
    for name, rows in records.items():
        resource = by_name.get(name)
        for record in rows:
            if resource is None:
                told = [("", "collection", "no operation has this collection")]
            else:
                told = [(each.pointer, each.keyword, each.detail) for each in faults(new, resource, record)]
            total += bool(told)
            for pointer, keyword, detail in told if len(found) < MOST_RECORDS else []:
                place = {"collection": name, "id": record.get("id"), "pointer": pointer}
                found.append({**place, "keyword": keyword, "detail": detail})
    return {"records": found, "records_total": total}


def is_stale(digest: str, old: Contract | None, new: Contract) -> bool:
    """Whether a plan that was made for an operation of this digest is asked for no more."""
    if not digest:
        return False
    known = {each.digest for each in new.document.operations}
    return digest not in known and (
        old is None or digest in {each.digest for each in old.document.operations}
    )


def _bases(contract: Contract) -> tuple[str, ...]:
    return contract.document.base_paths


def _operations(contract: Contract) -> dict[_Key, Role]:
    base = contract.document.base_path
    return {
        (role.operation.method, alike(path_of(role.operation.template, base))): role
        for role in contract.model.roles.values()
    }


def _named(role: Role) -> str:
    return f"{role.operation.method} {role.operation.template}"


def _changes(old: Role, new: Role, before: Contract, after: Contract) -> Iterator[Change]:
    views = before.model.views, after.model.views
    yield from _parameters(old.operation, new.operation, views)
    yield from _bodies(old.operation, new.operation, views)
    if old.status != new.status:
        yield Change(f"answers {new.status}, not {old.status}", breaks=True)
    if old.reply.kind != new.reply.kind or old.reply.path != new.reply.path:
        yield Change("has its records elsewhere in the reply", breaks=True)
    yield from _replies(old, new, views)
    if new.operation.security and not old.operation.security:
        yield Change("asks for credentials", breaks=True)
    yield from _records(old, new)


def _parameters(old: Operation, new: Operation, views: tuple[Views, Views]) -> Iterator[Change]:
    before = {(each.place, each.name.lower()): each for each in old.parameters}
    for each in new.parameters:
        known = before.get((each.place, each.name.lower()))
        if each.required and each.place != "path" and (known is None or not known.required):
            yield Change(f"has to have {each.place} {each.name}", breaks=True)
        elif known is not None and set(known.choices) - set(each.choices) and each.choices:
            yield Change(f"takes fewer values for {each.place} {each.name}", breaks=True)
        elif known is not None and known.schema and each.schema:
            comparison = Comparison(*views, "body", f"{each.place} {each.name}")
            yield from comparison.of(views[0].at(known.schema), views[1].at(each.schema))
    names = {(each.place, each.name.lower()) for each in new.parameters}
    for key, each in before.items():
        if key not in names and each.place != "path":
            yield Change(f"passes over {each.place} {each.name}", breaks=False)


def _bodies(old: Operation, new: Operation, views: tuple[Views, Views]) -> Iterator[Change]:
    if new.required_body and not old.required_body:
        yield Change("has to have a body", breaks=True)
    gone = sorted(set(old.request_bodies) - set(new.request_bodies))
    if gone:
        yield Change(f"takes no {', '.join(gone)}", breaks=True)
    yield from _content(old.request_bodies, new.request_bodies, views, "body", "its body")


def _replies(old: Role, new: Role, views: tuple[Views, Views]) -> Iterator[Change]:
    before, after = old.operation.replies, new.operation.replies
    for status in sorted(before.keys() - after.keys() - {str(old.status)}):
        yield Change(f"declares no {status}", breaks=False)
    for status in sorted(after.keys() - before.keys() - {str(new.status)}):
        yield Change(f"may answer {status}", breaks=False)
    for status in sorted(before.keys() & after.keys()):
        where = "its reply" if status == str(old.status) else f"its reply {status}"
        gone = sorted(before[status].keys() - after[status].keys())
        if gone and before[status]:
            yield Change(f"has no {', '.join(gone)} in {where}", breaks=True)
        yield from _content(before[status], after[status], views, "reply", where)


def _content(
    old: Mapping[str, str], new: Mapping[str, str], views: tuple[Views, Views], side: Side, where: str
) -> Iterator[Change]:
    """Of the types that both have; what is said of several in the same words is said once."""
    told: set[Change] = set()
    for media_type in sorted(old.keys() & new.keys()):
        if old[media_type] and new[media_type]:
            comparison = Comparison(*views, side, where)
            for each in comparison.of(views[0].at(old[media_type]), views[1].at(new[media_type])):
                if each not in told:
                    told.add(each)
                    yield each


def _records(old: Role, new: Role) -> Iterator[Change]:
    if old.plain != new.plain:
        yield Change(
            "is by rule now" if new.plain else f"is by rule no more: {new.why}", breaks=not new.plain
        )
    one, other = old.resource, new.resource
    if one is None or other is None or not (old.plain and new.plain):
        return
    if one.name != other.name:
        yield Change(f"has its records in {other.name}, not in {one.name}", breaks=True)
    elif one.key.path != other.key.path:
        key = ".".join(other.key.path) or "beside the record"
        yield Change(f"finds its records by another key: {key}", breaks=True)
