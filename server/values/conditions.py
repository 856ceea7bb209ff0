"""What a request asks of its run: Idempotency-Key, If-Match, If-None-Match; and that it is answered briefly.

They are read here and checked in the guest, inside the transaction that the plan writes in. Safe methods have
no business here: their conditions are about the reply, and are applied to it (server/http/conditional.py).
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import orjson
from attrs import frozen

from server.values.entity_tags import tag_list
from server.values.errors import InvalidHeader
from server.values.model import SAFE_METHODS
from server.values.preferences import preferences

if TYPE_CHECKING:
    from server.values.model import RequestContext

#: Of the methods that write, those that are not idempotent by themselves (RFC 9110 §9.2.2).
_KEYED_METHODS = frozenset({"POST", "PATCH"})
_MAX_KEY = 255
_HEADERS = frozenset({"idempotency-key", "if-match", "if-none-match", "prefer"})


@frozen
class Conditions:
    """`text` is the guest's line (guest/wit/world.wit); `key` names the key in its scope, "" without one."""

    text: str
    key: str


def conditions_of(ctx: RequestContext) -> Conditions | None:
    """None for a request that asks for nothing, as nearly all. Raises InvalidHeader."""
    headers = ctx.headers
    if _HEADERS.isdisjoint(headers) or ctx.method in SAFE_METHODS:
        return None
    asked: dict[str, Any] = {}
    tagged = ctx.contract is not None and ctx.contract.tags_itself
    counted = ctx.contract is not None and ctx.contract.has_versions
    if "if-match" in headers and not (tagged or counted):
        asked["match"] = tag_list(headers["if-match"], "If-Match").for_guest(weak=False)
    if "if-none-match" in headers and not tagged:
        asked["none_match"] = tag_list(headers["if-none-match"], "If-None-Match").for_guest(weak=True)
    if "idempotency-key" in headers and ctx.method in _KEYED_METHODS:
        asked["key"] = _name(ctx, _checked_key(headers["idempotency-key"]))
        asked["fingerprint"] = _fingerprint(ctx)
    if "prefer" in headers and preferences(headers["prefer"]).minimal:
        asked["minimal"] = True
    return Conditions(f"?{orjson.dumps(asked).decode()}\n", asked.get("key", "")) if asked else None


def _checked_key(key: str) -> str:
    """That it is ASCII without controls but the tab is known already (server/requests/headers.py)."""
    if not 1 <= len(key) <= _MAX_KEY or "\t" in key:
        raise InvalidHeader(
            f"Idempotency-Key is 1 to {_MAX_KEY} printable ASCII characters.", header="idempotency-key"
        )
    return key


def _name(ctx: RequestContext, key: str) -> str:
    """The key in its scope: the session has its own file, method and path are part of the name."""
    return _digest([ctx.method, ctx.segments, key])


def _fingerprint(ctx: RequestContext) -> str:
    """What must be the same for a request to be the same again.

    `authorization` is the API's own: the answer that one user got is not for another one.
    """
    return _digest([ctx.query, ctx.content, ctx.body_text, ctx.headers.get("authorization")])


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class Turns:
    """Requests with the same key take turns: a hundred retries at once are one request in the queue."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def of(self, session: str, key: str) -> asyncio.Lock:
        """The lock of a session's key, there as long as somebody has or awaits it."""
        lock = self._locks.get((session, key))
        if lock is None:
            lock = self._locks[session, key] = asyncio.Lock()
        return lock
