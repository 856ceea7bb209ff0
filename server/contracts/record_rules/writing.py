"""Rules of records as a person would write them: what a model has said becomes a part of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.contracts.contract import Contract
from server.contracts.overrides import MEMBER

if TYPE_CHECKING:
    from server.contracts.model import Resource
    from server.contracts.record_rules.rules import RecordRules


def with_answers(contract: Contract) -> Contract:
    """A contract that says itself what a model has said of its records; the same where that is nothing."""
    found = {
        resource.name: told
        for resource in contract.model.resources
        if contract.compiler.is_answered(resource)
        and (told := _told(resource, contract.compiler.record_rules(resource)))
    }
    if not found:
        return contract
    raw = dict(contract.document.raw)
    own = raw.get(MEMBER)
    own = dict(own) if isinstance(own, dict) else {}
    collections = dict(own.get("collections", {}))
    for name, told in found.items():
        collections[name] = {**collections.get(name, {}), **told}
    raw[MEMBER] = {**own, "collections": collections}
    return Contract.of(evolve(contract.document, raw=raw), contract.name)


def _told(resource: Resource, rules: RecordRules) -> dict[str, Any]:
    told: dict[str, Any] = {}
    initial = {".".join(path): value for path, value in rules.initial}
    if initial:
        told["initial"] = {**initial, **resource.told.initial}
    if rules.unique:
        told["unique"] = [list(each.names) for each in rules.unique]
    if rules.derived:
        told["derived"] = {
            ".".join(each.path): {
                "way": each.way,
                "of": [*(".".join(path) for path in each.of), *each.members],
                "between": each.between,
            }
            for each in rules.derived
        }
    return told
