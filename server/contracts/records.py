"""Stored records as the document has them: what a reply would show of one, and whether that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from server.contracts.shapes import json_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.contract import Contract
    from server.contracts.model import Resource, Role
    from wasm_runtime.schemas import Violation

#: Roles whose replies show a whole record, best first.
_SHOWING: Final = ("get", "get-one", "create", "replace", "merge", "list")


def showing(resource: Resource) -> Role | None:
    """The operation whose reply says most of a record; None where no reply has one."""
    found = [
        role for role in resource.roles
        if role.plain and role.name in _SHOWING and role.reply.kind not in ("none", "scalar")
    ]  # fmt: skip
    return min(found, key=lambda role: _SHOWING.index(role.name), default=None)


def item_of(contract: Contract, role: Role, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the role's reply shows of a record (`server.contracts.programs`)."""
    own = record.get("@")
    own = own if isinstance(own, dict) else {}
    item = {key: value for key, value in record.items() if key != "@"}
    hints = contract.compiler.compiled(role).plan.response_hints
    if "id" in own:
        item["id"] = own["id"]
    elif role.resource is not None and (role.resource.single or not role.resource.flat):
        item.pop("id", None)
    shown = hints.get("show")
    return item if shown is None else {key: value for key, value in item.items() if key in shown}


def faults(contract: Contract, resource: Resource, record: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Where a record breaks the schema that its replies have; the pointers lead into the record."""
    role = showing(resource)
    content = role.operation.reply_for(role.status) if role is not None else None
    found = json_content(content) if content else None
    if role is None or found is None or not found[1]:
        return ()
    value: Any = item_of(contract, role, record)
    before = ""
    for step in reversed(role.reply.within):
        value, before = {step: value}, f"/{_escaped(step)}{before}"
    if role.reply.of_many:
        value, before = [value], f"/0{before}"
    for step in reversed(role.reply.path):
        value, before = {step: value}, f"/{_escaped(step)}{before}"
    violations = contract.judging.violations(found[1], value)
    return tuple(
        evolve(each, pointer=each.pointer.removeprefix(before))
        for each in violations
        if each.pointer == before or each.pointer.startswith(f"{before}/")
    )


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
