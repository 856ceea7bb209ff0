"""Request headers: which are read, which a plan may see, and that one value is one value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.values.errors import BadRequest, InvalidHeader
from server.values.preferences import preferences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

#: What `ctx["headers"]` may hold; all else stays at the edge. `False`: at most one such header.
PLAN_HEADERS: Mapping[str, bool] = {
    "accept": True,
    "accept-language": True,
    "authorization": False,
    "content-type": False,
    "idempotency-key": False,
    "if-match": True,
    "if-modified-since": False,
    "if-none-match": True,
    "if-unmodified-since": False,
    "prefer": True,
}

#: Without one of them the same is done; all others say on which condition, or what else.
_SPARED = frozenset({"accept", "accept-language", "authorization", "content-type"})
_REPLACING = frozenset({"POST", "PUT", "PATCH"})
#: Of a header, also of one that came in many lines: as long as aiohttp takes a line.
MAX_CHARACTERS = 8_190
_TEXT = re.compile(r"[\t -~]*")
_DRY_RUN = "tx=rollback"


def single(headers: MultiMapping[str], name: str) -> str | None:
    """The header's value, or None. Raises InvalidHeader when it was sent twice, even if equal (T03)."""
    values = headers.getall(name, ())
    if len(values) > 1:
        raise InvalidHeader(f"More than one {name} header.", header=name)
    return values[0] if values else None


def check_coding(headers: MultiMapping[str]) -> None:
    """Raises BadRequest for a body in another transfer coding than `chunked` alone.

    aiohttp's parser takes `gzip, chunked`, and would hand on the compressed bytes as the body. Whoever is
    told so cannot go on with the connection (RFC 9112 §6.1): a body in chunks ends it.
    """
    if "Transfer-Encoding" not in headers:
        return
    if ", ".join(headers.getall("Transfer-Encoding")).strip().lower() != "chunked":
        raise BadRequest(
            "The Transfer-Encoding header names another coding than chunked. Send the body as it is, by "
            "chunked alone or with a Content-Length."
        )


def check_whole(method: str, headers: MultiMapping[str]) -> None:
    """Raises InvalidHeader for a body that is a part: it would replace the whole (RFC 9110 §14.5)."""
    if "Content-Range" in headers and method in _REPLACING:
        raise InvalidHeader(
            "The Content-Range header says that the body is a part. Send the whole without that header, or "
            "PATCH with the members that change.",
            header="content-range",
        )


def for_plan(
    headers: MultiMapping[str],
    *,
    authorization: bool,
    is_secret: Callable[[str], bool] = lambda _value: False,
) -> dict[str, str]:
    """The headers that a plan sees, by lower-case name.

    `authorization` says whether that header is the API's own; `is_secret` whether a value has a token of the
    service in it, which never gets into a plan (T38).
    Raises InvalidHeader for bytes outside printable ASCII, for too many of them, and for a token in a header
    that cannot be left out without doing something else than was asked for.
    """
    seen: dict[str, str] = {}
    for name, is_list in PLAN_HEADERS.items():
        if name not in headers or (name == "authorization" and not authorization):
            continue
        value = _checked(headers, name, is_list=is_list)
        if is_secret(value):
            if name in _SPARED:
                continue
            raise misplaced(name)
        seen[name] = value
    return seen


def named_headers(
    headers: MultiMapping[str],
    names: frozenset[str],
    *,
    is_secret: Callable[[str], bool] = lambda _value: False,
) -> dict[str, str]:
    """Those of the headers that were sent, by lower-case name. Raises InvalidHeader as `for_plan` does."""
    seen = {
        name: _checked(headers, name, is_list=PLAN_HEADERS.get(name, False))
        for name in sorted(names)
        if name in headers
    }
    for name, value in seen.items():
        if is_secret(value):
            raise misplaced(name)
    return seen


def _checked(headers: MultiMapping[str], name: str, *, is_list: bool) -> str:
    value = ", ".join(headers.getall(name)) if is_list else single(headers, name) or ""
    if not _TEXT.fullmatch(value):
        raise InvalidHeader(f"The {name} header holds bytes outside printable ASCII.", header=name)
    if len(value) > MAX_CHARACTERS:
        detail = f"The {name} header is longer than {MAX_CHARACTERS} characters."
        raise InvalidHeader(detail, header=name)
    return value


def misplaced(name: str) -> InvalidHeader:
    """A token of the service where it would become part of what is stored, shown or logged."""
    return InvalidHeader(
        f"The {name} header holds a token of the service; send that in Authorization or X-Service-Token "
        "alone.",
        header=name.lower(),
    )


def beside_dialect(headers: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    """What plans see of headers where some are a dialect's to read, by lower-case name.

    A dry run is the service's business in every dialect.
    """
    left = {name: value for name, value in headers.items() if name not in names}
    if "prefer" in names and "prefer" in headers and preferences(headers["prefer"]).dry_run:
        left["prefer"] = _DRY_RUN
    return left
