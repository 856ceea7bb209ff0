"""A request's content: whether its type is taken, how its bytes arrive, and what they mean (T43-T45)."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from attrs import frozen

from server.errors import (
    BadRequest,
    InvalidHeader,
    InvalidJson,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from server.http import strict_json
from server.http.headers import single
from server.http.target import parse_pairs

if TYPE_CHECKING:
    from multidict import MultiMapping

    from server.model import ContentKind

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
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word
_PARAMETER = rf'\s*;\s*(?:({_TOKEN})=({_TOKEN}|"[^"\\]*"))?'
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:{_PARAMETER})*)\s*")
_ACCEPTED = ", ".join(_KINDS)

_JSON_BLANKS = b" \t\r\n"
#: A name, percent-encoded where it is not of these, and the sign that ends it.
_FORM_PAIR = re.compile(r"""[^\s"<>{}\\^`|=]*=""")
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
    match = _MEDIA_TYPE.fullmatch(value.strip())
    if match is None:
        raise InvalidHeader("The Content-Type header is not a media type.", header="content-type")
    kind = _KINDS.get(match[1].lower())
    if kind is None:
        raise UnsupportedMediaType(f"Content is taken as one of: {_ACCEPTED}.", headers={"Accept": _ACCEPTED})
    for name, text in re.findall(_PARAMETER, match[2]):
        if name.lower() == "charset" and text.strip('"').lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("Content is taken in UTF-8 only.")
    return kind


async def read_body(request: web.BaseRequest, *, limit: int, seconds: float) -> bytes:
    """The body's bytes.

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
            return await _read(request, limit)
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {seconds:g} seconds.") from None
    except web.RequestPayloadError:
        raise BadRequest("The body's framing is broken.") from None


async def _invite(request: web.BaseRequest) -> None:
    """Say that the body may come (RFC 9110 §10.1.1); now it is sure that it will be read."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # an error may still be answered in full


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {limit} bytes.", limit=limit)


def parse_content(method: str, kind: ContentKind | None, data: bytes) -> Content:
    """What the body means. Raises InvalidJson, and BadRequest for a broken form."""
    if kind == "form":
        content = _json_after_all(data) if _begins_as_json(data) else _form(data)
    elif data:
        content = Content(kind or "json", strict_json.read(data), data.decode())
    else:
        content = _empty(method, kind)
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


def no_body(method: str, headers: MultiMapping[str]) -> Content:
    """What a request without a body means.

    A type that is announced all the same matters only where the method wants a body and the type is one of
    ours: HTTP clients name application/octet-stream, or what they were set to, for no body at all.
    Raises InvalidJson, InvalidHeader.
    """
    if method not in _WITH_CONTENT or method == "DELETE":
        return NO_CONTENT
    try:
        kind = content_kind(headers)
    except UnsupportedMediaType:
        return NO_CONTENT
    return parse_content(method, kind, b"")


def _empty(method: str, kind: ContentKind | None) -> Content:
    """Clients announce JSON without sending any on DELETE and GET; elsewhere it is a mistake."""
    if kind is not None and method != "DELETE" and method in _WITH_CONTENT:
        raise InvalidJson("Invalid JSON: the body is empty (line 1, column 1)", line=1, column=1)
    return NO_CONTENT


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
