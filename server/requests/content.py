"""A request's content: whether its type is taken, how its bytes arrive, and what they mean (T43-T45)."""

from __future__ import annotations

import asyncio
import re
from binascii import b2a_base64
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from attrs import frozen

from server.concurrency.aside import INLINE_BYTES, aside
from server.requests import media_type, strict_json
from server.requests.headers import single
from server.requests.target import parse_pairs
from server.values.errors import (
    BadRequest,
    InvalidHeader,
    InvalidJson,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import MultiMapping

    from server.values.model import ContentKind

MAX_FORM_PAIRS = 1_000
#: Methods whose content means something. That of others is read, checked and then ignored:
#: RFC 9110 §9.3.1 gives content in a GET no meaning, and a plan should not invent one.
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_KINDS: dict[str, ContentKind] = {
    "application/json": "json",
    "application/merge-patch+json": "merge-patch",
    "application/json-patch+json": "json-patch",
    "application/x-www-form-urlencoded": "form",
}
_PATCHES: frozenset[ContentKind | None] = frozenset({"merge-patch", "json-patch"})
#: JSON by other names: an old one, and that of browsers' reports (https://www.w3.org/TR/CSP3/#report-violation).
_JSON_NAMES = frozenset({"text/json", "application/csp-report"})
_ACCEPTED = ", ".join([*_KINDS, "multipart/form-data"])

_JSON_BLANKS = b" \t\r\n"
#: A name, percent-encoded where it is not of these, and the sign that ends it.
_FORM_PAIR = re.compile(r"""[^\s"<>{}\\^`|=]*=""")
#: As much of a body of another type is looked at, to tell whether it is JSON.
PEEKED_BYTES = 65_536
_NAME_YOUR_TYPE = "For JSON say Content-Type: application/json."
_NOT_A_FORM = (
    f"The body was sent as a form but begins as JSON does; in a form write %7B and %5B. {_NAME_YOUR_TYPE}"
)


@frozen
class Content:
    kind: ContentKind
    value: Any
    #: JSON text, to be passed through as it is; None when there is no content.
    text: str | None


NO_CONTENT = Content("none", None, None)


def check_encoding(headers: MultiMapping[str]) -> None:
    """Nothing is decompressed here, so a small body stays small. Raises UnsupportedMediaType."""
    if "Content-Encoding" in headers:
        raise UnsupportedMediaType(
            "Content-Encoding is not supported; send the body as it is.",
            headers={"Accept-Encoding": "identity"},
        )


def content_kind(headers: MultiMapping[str]) -> ContentKind | None:
    """The kind the Content-Type names, None without one. Raises InvalidHeader, UnsupportedMediaType."""
    value = single(headers, "Content-Type")
    return None if value is None else _kind(value)


def check_use(method: str, kind: ContentKind | None) -> None:
    """A patch document goes with PATCH, whatever a plan would do with it. Raises UnsupportedMediaType."""
    if kind in _PATCHES and method != "PATCH" and method in _WITH_CONTENT:
        raise UnsupportedMediaType(f"A patch document goes with PATCH, not with {method}.")


@lru_cache(maxsize=256)
def _kind(value: str) -> ContentKind:
    found = media_type.read(value)
    if found is None:
        raise InvalidHeader("The Content-Type header is not a media type.", header="content-type")
    kind = _kind_named(found.name)
    if kind is None:
        raise UnsupportedMediaType(
            f"The body was sent as {found.name[:100]}; it is taken as one of: {_ACCEPTED}, or as another "
            "type whose name ends in +json.",
            headers={"Accept": _ACCEPTED},
        )
    if found.charset != "utf-8":
        raise UnsupportedMediaType(
            f"The body was sent in {found.charset[:40]}; it is taken in UTF-8 only: send charset=utf-8."
        )
    return kind


def _kind_named(name: str) -> ContentKind | None:
    """What RFC 6839 §3.1 calls a type that ends in `+json` is JSON first, whatever else it is."""
    if name in _JSON_NAMES or name.endswith("+json"):
        return _KINDS.get(name, "json")
    return _KINDS.get(name)


async def read_content(
    request: web.BaseRequest,
    *,
    limit: int,
    seconds: float,
    holds: Callable[[int], None] = lambda _size: None,
    session: str = "",
    takes: Callable[[str], str] | None = None,
) -> tuple[ContentKind, bytes]:
    """The kind and the bytes of a request's body, `none` without one: no bytes are no body (T44).

    HTTP clients name a type for no body at all: application/json, or what they were set to. Whatever can be
    refused without the body is refused before it is read.
    `holds`: as `read_body` has it. `takes`: says which of its own types a Content-Type is, "" for none.
    Raises UnsupportedMediaType, InvalidHeader, and what `read_body` raises.
    """
    if not request.body_exists:
        return "none", b""
    check_encoding(request.headers)
    if takes is not None:
        return await _own_content(request, takes, limit, seconds, holds)
    try:
        kind = content_kind(request.headers)
        check_use(request.method, kind)
    except (UnsupportedMediaType, InvalidHeader) as error:
        await _look(request, error, seconds, session)
        return "none", b""
    data = await read_body(request, limit=limit, seconds=seconds, holds=holds)
    return (kind or "json") if data else "none", data


async def _own_content(
    request: web.BaseRequest,
    takes: Callable[[str], str],
    limit: int,
    seconds: float,
    holds: Callable[[int], None],
) -> tuple[ContentKind, bytes]:
    """A body of somebody's own types: JSON, a form, or text of any kind; nothing where none is wanted."""
    name = takes(single(request.headers, "Content-Type") or "")
    data = await read_body(request, limit=limit, seconds=seconds, holds=holds)
    if not data or not name:
        return "none", b""
    sent = media_type.read(request.headers.get("Content-Type", ""))
    kind = "json" if sent is None else _kind_named(sent.name)
    return (kind, data) if kind is not None else ("json", _as_text(data))


def _as_text(data: bytes) -> bytes:
    """What is neither JSON nor a form, as a JSON text; bytes that are no UTF-8 in base64."""
    try:
        return orjson.dumps(data.decode())
    except UnicodeDecodeError:
        return orjson.dumps(b2a_base64(data, newline=False).decode())


async def parse(
    method: str,
    kind: ContentKind,
    data: bytes,
    check: Callable[[Content], None] = lambda _content: None,
    *,
    session: str = "",
) -> Content:
    """What `parse_content` says and `check` lets pass, beside the event loop if the body is large."""

    def checked() -> Content:
        content = parse_content(method, kind, data)
        check(content)
        return content

    return checked() if len(data) <= INLINE_BYTES else await aside(checked, session)


async def _look(
    request: web.BaseRequest, error: UnsupportedMediaType | InvalidHeader, seconds: float, session: str
) -> None:
    """Raise the error that a refused type is, unless nothing came with it.

    Chunks may be none. Text may be JSON that its sender forgot to call so: `fetch` calls each text plain.
    """
    sent = media_type.read(request.headers.get("Content-Type", ""))
    is_text = isinstance(error, UnsupportedMediaType) and sent is not None and sent.name == "text/plain"
    if not (is_text or request.content_length is None):
        raise error
    try:
        data = await read_body(request, limit=PEEKED_BYTES, seconds=seconds)
    except PayloadTooLarge:
        raise error from None
    if not data:
        return
    if not is_text or isinstance(error, InvalidHeader):
        raise error
    raise (
        explained(error, data)
        if len(data) <= INLINE_BYTES
        else await aside(partial(explained, error, data), session)
    )


def explained(error: UnsupportedMediaType, data: bytes) -> UnsupportedMediaType:
    """The same refusal, and where the body is a JSON object or array, what to call it."""
    if not _begins_as_json(data):
        return error
    try:
        strict_json.read(data)
    except InvalidJson:
        return error
    return UnsupportedMediaType(
        f"{error.detail} It is JSON, though. {_NAME_YOUR_TYPE}", headers=error.headers
    )


async def read_body(
    request: web.BaseRequest,
    *,
    limit: int,
    seconds: float,
    holds: Callable[[int], None] = lambda _size: None,
) -> bytes:
    """The body's bytes. `holds` is told how many there are, as they come; it may refuse more by raising.

    Raises PayloadTooLarge as soon as it is known, RequestTimeout when the body does not arrive,
    BadRequest when its framing is broken, and ConnectionError when the client has left.
    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    await _invite(request)
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit, holds)
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {seconds:g} seconds.") from None
    except web.RequestPayloadError:
        raise BadRequest("The body's framing is broken.") from None


async def _invite(request: web.BaseRequest) -> None:
    """Say that the body may come (RFC 9110 §10.1.1); now it is sure that it will be read."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # an error may still be answered in full


async def _read(request: web.BaseRequest, limit: int, holds: Callable[[int], None]) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
        holds(len(body))
    return bytes(body)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {limit} bytes.", limit=limit)


def parse_content(method: str, kind: ContentKind | None, data: bytes) -> Content:
    """What the body means; no bytes mean nothing. Raises InvalidJson, and BadRequest for a broken form."""
    if not data:
        return NO_CONTENT
    if kind == "form":
        content = _json_after_all(data) if _begins_as_json(data) else _form(data)
    else:
        content = Content(kind or "json", strict_json.read(data), data.decode())
    return content if method in _WITH_CONTENT else NO_CONTENT


def _begins_as_json(data: bytes) -> bool:
    """Whether a form is JSON: `curl -d '{"a": 1}'` calls everything a form, which has no brace unencoded."""
    return data.lstrip(_JSON_BLANKS)[:1] in (b"{", b"[")


def _json_after_all(data: bytes) -> Content:
    """JSON that came as a form. As a form its values would be a field's name, broken or not."""
    try:
        return Content("json", strict_json.read(data), data.decode())
    except InvalidJson as error:
        raise InvalidJson(f"{error.detail}. {_NOT_A_FORM}", **error.members) from None


def _form(data: bytes) -> Content:
    if not data.isascii():
        raise BadRequest("The form holds bytes that must be percent-encoded.")
    text = data.decode()
    _check_names(text)
    pairs = parse_pairs(text, BadRequest, max_pairs=MAX_FORM_PAIRS)
    return Content("form", pairs, orjson.dumps(pairs).decode())


def _check_names(text: str) -> None:
    """Refuse what is text of another kind: all of it would be a name, and names are shown to planners.

    Whoever writes a form by its rules writes an `=` for every name, and encodes all but a few characters
    (https://url.spec.whatwg.org/#urlencoded-serializing). Values are taken as they come.
    """
    for place, part in enumerate(filter(None, text.split("&")), start=1):
        if not _FORM_PAIR.match(part):
            raise BadRequest(f"Part {place} of the form is not a name, `=` and a value. {_NAME_YOUR_TYPE}")
