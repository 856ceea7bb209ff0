"""Plans as a guest keeps them: compiled once, bound to the values of each request."""

from __future__ import annotations

import marshal
import re
from binascii import a2b_base64, b2a_base64
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guest.blame import PLAN_FILE
from store import json_text
from store.lazy import Parts
from store.rest_query import ReadBy

if TYPE_CHECKING:
    from types import CodeType

    from guest.namespace import Namespace
    from store.resource_store import ResourceStore
    from store.session_store import SessionStore

#: Compiled plans a live guest keeps; the host loads a dropped one again when it is asked for.
MAX_PLANS = 256
#: The hint that says what a plan is not given of its collection's records: names, from the outside in.
LEFT_OUT = "@left-out"
_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::[a-z]+)?\}")


class UnknownPlanError(Exception):
    """The plan is not loaded, or was dropped: the host is to load it and run again."""


@dataclass(frozen=True)
class LoadedPlan:
    """A plan's fixed part and its compiled code.

    `slot` is the one that is its whole identifier, if it is. `about` is the one that says which record the
    request is about: that one, or, where a plan names no identifier, the last segment of its route.
    """

    #: JSON text, decoded anew for every run that looks: a plan may change what it is given.
    document: str
    resource: str
    identifier: Any
    source: str
    code: CodeType
    slot: str | None
    about: str | None
    #: Whether it has a name like `ctx` or `plan` at all; those that only want params have no such names made.
    looks_further: bool
    #: Whether it may call `bearer`.
    wants_credentials: bool
    store: ResourceStore
    #: All names that it can use, but for those of a request.
    builtins: dict[str, Any]

    @classmethod
    def from_json(cls, text: str, code: str, namespace: Namespace, collections: SessionStore) -> LoadedPlan:
        """`code` is what `compiled` made of the text in another guest, or empty."""
        document = json_text.decode(text)
        source = document.pop("code")
        identifier = document.pop("identifier", None)
        whole = _SLOT.fullmatch(identifier) if isinstance(identifier, str) else None
        slot = whole[1] if whole else None
        last = _SLOT.fullmatch(str(document.get("route", "")).rpartition("/")[2])
        resource = str(document["resource"])
        store = collections.collection(resource)
        hints = document.get("response_hints") or {}
        left_out = hints.get(LEFT_OUT) if isinstance(hints, dict) else None
        seen = store if left_out is None else collections._cut(resource, left_out)  # noqa: SLF001  no name of a plan
        return cls(
            document=json_text.encode(document),
            resource=resource,
            identifier=identifier,
            source=source,
            code=marshal.loads(a2b_base64(code)) if code else _compiled(source),  # noqa: S302  of our own making
            slot=slot,
            about=last[1] if last and identifier is None else slot,
            looks_further="ctx" in source or "plan" in source or "bearer" in source,
            wants_credentials="bearer" in source,
            store=store,
            builtins=namespace.builtins_with(seen, collections),
        )

    def bind(self, ctx: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """The `plan` a run sees: identifier, criteria and payload are those of this request."""
        return _BOUND.of((self, ctx, params))

    def identifier_of(self, params: dict[str, Any]) -> Any:
        """`"{id}"` becomes the slot's value with its type; text around slots keeps the whole a text."""
        if self.slot is not None:
            return params.get(self.slot)
        if not isinstance(self.identifier, str):
            return self.identifier
        return _SLOT.sub(lambda slot: str(params.get(slot[1], "")), self.identifier)


def compiled(document: str) -> str:
    """A plan's code as text, for guests of the same build."""
    return b2a_base64(marshal.dumps(_compiled(json_text.decode(document)["code"])), newline=False).decode()


def _compiled(source: str) -> CodeType:
    return compile(source, PLAN_FILE, "exec", dont_inherit=True)


def _criteria(plan: LoadedPlan, query: dict[str, Any]) -> dict[str, Any]:
    return plan.store._criteria_beside(query, ReadBy(plan.source))  # noqa: SLF001  no name of a plan


#: The `plan` of a run, from the loaded plan, ctx and params.
_BOUND = Parts(
    lambda given: json_text.decode(given[0].document),
    resource=lambda given: given[0].resource,
    identifier=lambda given: given[0].identifier_of(given[2]),
    criteria=lambda given: _criteria(given[0], given[1]["query"]) if given[1]["query"] else {},
    payload=lambda given: given[1]["body_json"],
)


class PlanShelf:
    """The plans this guest has compiled, least recently used dropped first."""

    def __init__(self, most: int = MAX_PLANS) -> None:
        self._plans: OrderedDict[str, LoadedPlan] = OrderedDict()
        self._most = most

    def put(self, plan_id: str, plan: LoadedPlan) -> None:
        self._plans[plan_id] = plan
        if len(self._plans) > self._most:
            self._plans.popitem(last=False)

    def take(self, plan_id: str) -> LoadedPlan:
        """Raises UnknownPlanError."""
        try:
            self._plans.move_to_end(plan_id)
        except KeyError:
            raise UnknownPlanError(plan_id) from None
        return self._plans[plan_id]
