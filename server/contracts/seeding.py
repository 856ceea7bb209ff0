"""Records to begin with, as a contract's programs store them, made of what people have.

1. An object of collections: an array of records for each, an object for one of which there is one. Names are
   those of `contract check`, or like them: `Order` is orders, too.
2. The document's examples.
3. Exchanges that were recorded: a HAR, a Postman collection with saved responses. What was replied by rule is
   a record; what was deleted in the end is none (`server.contracts.recorded`).

A record keeps its key, and gets one where it has none. Where its path has more slots, it says their values in
properties of their names. What does not fit is refused, by place; nothing is left out in silence.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from attrs import define, field

from server.contracts.asking import MINE, add, at, put
from server.contracts.keys import address_of, making_of
from server.contracts.records import faults
from server.contracts.shapes import plain
from server.contracts.views import View
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.contract import Contract
    from server.contracts.model import Resource

_MOST_FAULTS: Final = 20


class SeedError(ValueError):
    """What does not fit, one line each."""

    def __init__(self, faults: list[str]) -> None:
        shown = faults[:_MOST_FAULTS]
        more = [f"and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        super().__init__("; ".join([*shown, *more]))
        self.faults = faults


def planted(contract: Contract, seed: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The records by collection, as they are stored. Raises SeedError."""
    sower = _Sower(contract)
    for name, value in seed.items():
        sower.collection(name, value)
    if sower.faults:
        raise SeedError(sower.faults)
    return sower.found


def examples(contract: Contract) -> dict[str, list[dict[str, Any]]]:
    """Those that the document shows, by collection, as they are stored."""
    found = {}
    for resource in contract.model.resources:
        role = next((each for each in resource.roles if each.plain), None)
        seeds = {} if role is None else contract.compiled(role.operation).plan.response_hints.get("seeds", {})
        if seeds:
            found[resource.name] = list(seeds.values())
    return found


@define
class _Sower:
    contract: Contract
    found: dict[str, list[dict[str, Any]]] = field(factory=dict)
    faults: list[str] = field(factory=list)
    _taken: set[tuple[str, str]] = field(factory=set)
    _next: dict[str, int] = field(factory=dict)

    def collection(self, name: str, value: Any) -> None:
        resource = self._resource(name)
        if resource is None:
            known = ", ".join(each.name for each in self.contract.model.resources)
            self.faults.append(f"{name[:80]}: the contract has no such collection; it has {known}")
            return
        if resource.single:
            rows = [value] if isinstance(value, dict) else None
        else:
            rows = value if isinstance(value, list) else None
        if rows is None:
            wanted = "one object" if resource.single else "an array of records"
            self.faults.append(f"{name}: has to be {wanted}")
            return
        for number, record in enumerate(rows):
            place = name if resource.single else f"{name}/{number}"
            if isinstance(record, dict):
                self._record(resource, record, place)
            else:
                self.faults.append(f"{place}: is no object")

    def _resource(self, name: str) -> Resource | None:
        wanted = singular(plain(name))
        for resource in self.contract.model.resources:
            if resource.name == name:
                return resource
        for resource in self.contract.model.resources:
            if wanted in (singular(plain(resource.name)), singular(plain(resource.item.name))):
                return resource
        return None

    def _record(self, resource: Resource, given: Mapping[str, Any], place: str) -> None:
        record, kept = self._bound(resource, given, place)
        if record is None:
            return
        unknown = sorted(set(record) - set(resource.fields)) if not resource.open else []
        if unknown:
            self.faults.append(f"{place}: {unknown[0][:80]!r} is no property of {resource.name}")
            return
        key = self._key(resource, record)
        record = _filled(self.contract, resource, record, key)
        values = [kept[name] for name in resource.scoped]
        address = address_of("one" if resource.single else key, values)
        stored = self._stored(resource, record, key, address, kept)
        if (resource.name, address) in self._taken:
            self.faults.append(f"{place}: there is a {resource.name} {key} already")
            return
        broken = faults(self.contract, resource, stored)
        for each in broken[:3]:
            self.faults.append(f"{place}{each.pointer}: {each.keyword}: {each.detail}")
        if not broken:
            self._taken.add((resource.name, address))
            self.found.setdefault(resource.name, []).append(stored)

    def _bound(
        self, resource: Resource, given: Mapping[str, Any], place: str
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The record, and the values of the slots in its path by their scope's name."""
        record, kept = dict(given), {}
        scopes = {scope.name: scope for role in resource.roles for scope in role.scopes}
        for name, scope in scopes.items():
            value = at(record, scope.path) if scope.path else None
            if value is None:
                said = next(
                    (each for each in record if plain(each) in (plain(scope.slot), plain(name))), None
                )
                if said is not None and said not in resource.fields:
                    value = record.pop(said)
            if value is None and name in resource.scoped:
                if any(not role.scopes for role in resource.roles if role.name == "create"):
                    value = MINE
                else:
                    self.faults.append(f"{place}: has no {scope.slot}, which says what it is within")
                    return None, {}
            if value is not None:
                kept[name] = str(value)
                if scope.path:
                    put(record, scope.path, value)
        return record, kept

    def _key(self, resource: Resource, record: dict[str, Any]) -> Any:
        if resource.single:
            return "one"
        value = at(record, resource.key.path) if resource.key.path else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return value
        made = self._made(resource)
        if resource.key.path:
            put(record, resource.key.path, made)
        return made

    def _made(self, resource: Resource) -> Any:
        how = making_of(resource, View(), self.contract.compiler.samples.key_example(resource))
        if how[0] == "pieces":
            return "".join(secrets.choice(chars) for chars in how[1])
        if how[0] != "number":
            return str(uuid4())
        number = self._next.get(resource.name, how[1])
        while (resource.name, str(number)) in self._taken:
            number += 1
        self._next[resource.name] = number + 1
        return number if resource.key.kind == "integer" else str(number)

    @staticmethod
    def _stored(
        resource: Resource, record: dict[str, Any], key: Any, address: str, kept: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `server.contracts.programs`."""
        own: dict[str, Any] = {}
        beside = {scope.name for role in resource.roles for scope in role.scopes if not scope.path} | set(
            resource.scoped
        )
        if beside_it := {name: value for name, value in kept.items() if name in beside}:
            own["at"] = beside_it
        if not resource.flat or resource.single or str(record.get("id")) != address:
            if "id" in record:
                own["id"] = record["id"]
            record = {**record, "id": address}
        if not resource.key.path and not resource.single:
            own["key"] = key
        if resource.version is not None:
            own["v"] = 1
        return {**record, "@": own} if own else record


def _filled(contract: Contract, resource: Resource, record: dict[str, Any], key: Any) -> dict[str, Any]:
    """With what a new record has that nobody says."""
    filling = contract.compiler.filling(resource)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for path, value in filling.consts:
        add(record, path, value)
    for path, kind, argument in filling.fresh:
        value = {
            "now": now, "today": now[:10], "uuid": str(uuid4()), "key": key, "number": 1,
            "epoch": int(datetime.now(UTC).timestamp()) * (argument if isinstance(argument, int) else 1),
        }.get(kind)  # fmt: skip
        if value is not None:
            add(record, tuple(path), value)
    return record
