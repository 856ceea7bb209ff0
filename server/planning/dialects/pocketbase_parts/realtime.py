"""PocketBase's realtime subscriptions.

Sources: "API Realtime" of pocketbase.io/docs, apis/realtime.go and tools/subscriptions/client.go of
pocketbase/pocketbase, the SDK's RealtimeService.ts (0.28.1), and the answers of pocketbase 0.40.6.

1. A topic is `posts/*`, `posts/ID` or, as it was once, `posts`; a collection's id may stand for its name.
2. Behind it there may be `?options=`, JSON with a `query` that has `filter`, `expand` and `fields`. Its
   `headers` are for rules, which there are none of here.
3. The name of a topic's events is the topic as it was sent, with all of that.
4. Each event's id is the client's, by which the SDK knows who it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from zlib import crc32

import orjson

from server.planning.dialects.frame.live import Live, Subscribed, Topic
from server.planning.dialects.frame.reading import json_value
from server.planning.dialects.frame.table import ErrorForm
from server.values.errors import InvalidQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.planning.dialects.frame.live import Action
    from server.values.model import RequestContext

REALTIME = "/api/realtime"
TOLD = f"{REALTIME}/{{resource}}"
_WENT_WRONG = "Something went wrong while processing your request."
_MOST_TOPICS, _LONGEST_TOPIC, _LONGEST_ID = 1_000, 2_500, 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_WORDS = ("filter", "expand", "fields")


def realtime(check: Callable[[Mapping[str, str]], None]) -> Live:
    """`check` raises InvalidQuery for a query that no event could be made by."""
    return Live(
        path=REALTIME,
        first=lambda client: ("PB_CONNECT", {"clientId": client}),
        read=lambda ctx: _read(ctx, check),
        stranger=_form(404, "Missing or invalid client id.", {}),
        also=collection_id,
        told=_told,
        made=lambda action, record: {"record": record, "action": action},
        asks=TOLD,
        kind="told",
    )


@lru_cache(maxsize=1024)
def collection_id(name: str) -> str:
    """core/collection_model.go: "pbc_" and the CRC-32 (IEEE 802.3) of the collection's type and name."""
    return f"pbc_{crc32(f'base{name}'.encode())}"


def marks_of(name: str) -> dict[str, str]:
    """What each record says of its collection."""
    return {"collectionId": collection_id(name), "collectionName": name}


def _told(action: Action, name: str, record: dict[str, Any]) -> Any:
    """A stored `expand` is not shown: it is the dialect's own member."""
    shown = {key: value for key, value in record.items() if key != "expand"}
    return {"record": {**shown, **marks_of(name)}, "action": action}


def _read(ctx: RequestContext, check: Callable[[Mapping[str, str]], None]) -> Subscribed | ErrorForm:
    """`realtimeSubscribeForm` of apis/realtime.go, with its validations; a form's texts are taken, too."""
    body = {} if ctx.body_json is None else ctx.body_json
    if not isinstance(body, dict):
        return _form(400, _WENT_WRONG, {})
    client, topics = body.get("clientId"), body.get("subscriptions")
    if isinstance(topics, str) and ctx.content != "json":
        topics = [topics]
    topics = [] if topics is None else topics
    if not isinstance(client, str | None) or not isinstance(topics, list):
        return _form(400, _WENT_WRONG, {})
    if not all(isinstance(each, str) for each in topics):
        return _form(400, _WENT_WRONG, {})
    faults = _faults(client or "", topics)
    if faults:
        return _form(400, _WENT_WRONG, faults)
    found = tuple(_topic(each, check) for each in dict.fromkeys(topics) if each)
    return Subscribed(client or "", found)


def _faults(client: str, topics: list[str]) -> dict[str, Any]:
    faults: dict[str, Any] = {}
    if not client:
        faults["clientId"] = {"code": "validation_required", "message": "Cannot be blank."}
    elif len(client.encode()) > _LONGEST_ID:
        faults["clientId"] = {
            "code": "validation_length_out_of_range",
            "message": f"The length must be between 1 and {_LONGEST_ID}.",
            "params": {"max": _LONGEST_ID, "min": 1},
        }
    if len(topics) > _MOST_TOPICS:
        faults["subscriptions"] = _too_long(_MOST_TOPICS)
    else:
        long = {str(place) for place, each in enumerate(topics) if len(each.encode()) > _LONGEST_TOPIC}
        if long:
            faults["subscriptions"] = {place: _too_long(_LONGEST_TOPIC) for place in sorted(long, key=int)}
    return faults


def _too_long(most: int) -> dict[str, Any]:
    return {
        "code": "validation_length_too_long",
        "message": f"The length must be no more than {most}.",
        "params": {"max": most, "min": 0},
    }


def _topic(text: str, check: Callable[[Mapping[str, str]], None]) -> Topic:
    """Raises InvalidQuery."""
    if _CONTROL.search(text):
        raise InvalidQuery("subscriptions: a topic holds a control character, such as the end of a line")
    name, _, options = text.partition("?")
    collection, slash, record = name.partition("/")
    query = _query(options)
    check(query)
    return Topic(text, collection, record if slash and record != "*" else None, query)


def _query(text: str) -> dict[str, str]:
    """What `options` ask for, without what is empty. Raises InvalidQuery."""
    given = parse_qs(text, max_num_fields=16).get("options", [])
    if not given:
        return {}
    options = json_value("subscriptions: options", given[0])
    query = options.get("query") if isinstance(options, dict) else None
    if not isinstance(options, dict) or not isinstance(query, dict | None):
        raise InvalidQuery('subscriptions: options: takes an object such as {"query":{"filter":"views > 1"}}')
    found = {key: (query or {}).get(key) for key in _WORDS}
    return {key: value if isinstance(value, str) else _text(value) for key, value in found.items() if value}


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _form(status: int, message: str, data: dict[str, Any]) -> ErrorForm:
    return ErrorForm(status, {"status": status, "message": message, "data": data})
