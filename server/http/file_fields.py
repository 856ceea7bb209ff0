"""A file that came by a form, as the bytes that it was: `GET` of its field with an `Accept` of its type.

1. What is read is one field: ``/photos/1/image``, or ``/photos/1?fields=image``. The reply is JSON with a
   file in it, see `multipart`; it is turned into the file where the client names the file's type, or a range
   around it, before JSON. Of several files in a field each is read by its place, ``/photos/1/images/0``.
2. Whoever may write into a session chooses the type. So what a browser could run is for downloading, and
   nothing of it runs: `Content-Disposition`, `nosniff`, and a policy that puts it into a sandbox.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
from attrs import evolve, frozen

from server.http.accept import JSON, OFFERED, acceptable, ranges_of
from server.values.errors import NotAcceptable

if TYPE_CHECKING:
    from server.http.answering import UseCase
    from server.telemetry.request_line import RequestLine
    from server.values.model import Reply, RequestContext

_MEMBERS: Final = {"name", "type", "size", "data"}
#: Types that a browser shows without running anything of them.
_SHOWN: Final = re.compile(r"image/(png|jpeg|gif|webp|avif|bmp)|(audio|video)/[a-z0-9.+-]+|text/plain")
_POLICY: Final = "sandbox; default-src 'none'"
#: Fields that one record is asked for below its path: collection, id, field.
_SEGMENTS_OF_A_FIELD: Final = 3
#: Addresses that an error lists.
_MOST_LISTED: Final = 20


@frozen
class File:
    name: str
    media_type: str
    data: bytes


class FileFields:
    """A use case around another, for what both know of a request's Accept."""

    def __init__(self, inner: UseCase) -> None:
        self._inner = inner

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises NotAcceptable, and what the inner one raises."""
        accept = ctx.headers.get("accept", "")
        if ctx.method not in ("GET", "HEAD") or not _asks_for_a_field(ctx) or not _names_others(accept):
            return await self._inner.serve(ctx, line)
        has_ours = bool(acceptable(accept))
        asked = ctx if has_ours else evolve(ctx, headers={**ctx.headers, "accept": JSON})
        reply = await self._inner.serve(asked, line)
        if reply.status != 200 or reply.body is None:
            return reply
        value = _field_in(reply.body) if reply.media_type == JSON else None
        found = _file(value)
        if found is not None and _is_wanted(accept, found.media_type):
            return as_file(reply, found)
        if has_ours or ctx.contract is not None:  # a contract's types were looked at before
            return reply
        raise _not_acceptable(found, addresses_in(value, ctx))


def file_in(body: bytes) -> File | None:
    """The file that a reply is, or that is the only member of what it is."""
    return _file(_field_in(body))


def _field_in(body: bytes) -> Any:
    if b'"data"' not in body:
        return None
    value = orjson.loads(body)
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def addresses_in(value: Any, ctx: RequestContext) -> list[str]:
    """The paths of the files that a field has, where it has several: each by its place among them."""
    if not isinstance(value, list):
        return []
    fields = ctx.query.get("fields")
    path = (*ctx.segments, fields) if isinstance(fields, str) else ctx.segments
    base = "".join(f"/{quote(segment, safe='')}" for segment in path)
    return [f"{base}/{place}" for place, each in enumerate(value) if _file(each) is not None]


def _not_acceptable(found: File | None, addresses: list[str]) -> NotAcceptable:
    available = [*OFFERED[:1], *([found.media_type] if found else [])]
    reason = f"None of what the Accept header names fits; there is {', '.join(available)}."
    if not addresses:
        return NotAcceptable(reason, available=available)
    to = f" to {addresses[-1]}" if len(addresses) > 1 else ""
    reason += f" There are {len(addresses)} files, each at a path of its own: {addresses[0]}{to}."
    return NotAcceptable(reason, available=available, addresses=addresses[:_MOST_LISTED])


def _file(value: Any) -> File | None:
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return None
    name, media_type, data = value["name"], value["type"], value["data"]
    if not isinstance(name, str) or not isinstance(media_type, str) or not isinstance(data, str):
        return None
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    is_type = re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", media_type)
    return File(name, media_type, decoded) if is_type and len(decoded) == value["size"] else None


def as_file(reply: Reply, found: File) -> Reply:
    """The reply with the file's bytes for a body (rule 2)."""
    how = "inline" if _SHOWN.fullmatch(found.media_type) else "attachment"
    named = f"; filename*=UTF-8''{quote(found.name, safe='')}" if found.name else ""
    headers = (
        *reply.headers,
        ("Content-Disposition", how + named),
        ("Content-Security-Policy", _POLICY),
        ("Vary", "Accept"),
    )
    return evolve(reply, headers=headers, body=found.data, media_type=found.media_type, record=False)


def _asks_for_a_field(ctx: RequestContext) -> bool:
    fields = ctx.query.get("fields")
    return len(ctx.segments) >= _SEGMENTS_OF_A_FIELD or (isinstance(fields, str) and "," not in fields)


def _names_others(accept: str) -> bool:
    """Whether the header names anything that is none of our own types."""
    return any(name not in ("*/*", *OFFERED) for name in ranges_of(accept))


def _is_wanted(accept: str, media_type: str) -> bool:
    """Whether the type is named, by itself or by a range other than `*/*`, and not after JSON."""
    ranges = ranges_of(accept)
    quality, specific = _rank(media_type, ranges)
    return specific > 0 and (quality, specific) > _rank(JSON, ranges)


def _rank(media_type: str, ranges: dict[str, float]) -> tuple[float, int]:
    """The quality of the most specific range that covers a type, and how specific that is."""
    for specific, name in ((2, media_type), (1, f"{media_type.partition('/')[0]}/*"), (0, "*/*")):
        if name in ranges:
            return ranges[name], specific if ranges[name] else 0
    return 0.0, 0
