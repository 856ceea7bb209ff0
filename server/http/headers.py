"""Request headers: which are read, which a plan may see, and that one value is one value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.errors import InvalidHeader

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_TEXT = re.compile(r"[\t -~]*")


def single(headers: MultiMapping[str], name: str) -> str | None:
    """The header's value, or None. Raises InvalidHeader when it was sent twice, even if equal (T03)."""
    values = headers.getall(name, ())
    if len(values) > 1:
        raise InvalidHeader(f"More than one {name} header.", header=name)
    return values[0] if values else None


def for_plan(headers: MultiMapping[str], *, authorization: bool) -> dict[str, str]:
    """The headers that a plan sees, by lower-case name.

    `authorization` says whether that header is the API's own; the service's token never gets
    into a plan (T38). Raises InvalidHeader for bytes outside printable ASCII.
    """
    seen: dict[str, str] = {}
    for name, is_list in PLAN_HEADERS.items():
        if name not in headers or (name == "authorization" and not authorization):
            continue
        value = ", ".join(headers.getall(name)) if is_list else single(headers, name) or ""
        if not _TEXT.fullmatch(value):
            raise InvalidHeader(f"The {name} header holds bytes outside printable ASCII.", header=name)
        seen[name] = value
    return seen
