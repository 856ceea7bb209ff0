"""Which of an operation's media types a request has, or wants (RFC 9110 §8.3, §12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from server.requests import media_type

if TYPE_CHECKING:
    from collections.abc import Iterable

FORM: Final = "application/x-www-form-urlencoded"
PARTS: Final = "multipart/form-data"
JSON: Final = "application/json"
_RANGE: Final = re.compile(
    r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*((?:;[^,]*)?)", re.ASCII
)
_WEIGHT: Final = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.ASCII)
_MOST_RANGES: Final = 32


def bare(name: str) -> str:
    """Without its parameters, in lower case."""
    return name.partition(";")[0].strip().lower()


def is_json(name: str) -> bool:
    plain = bare(name)
    return plain.endswith(("/json", "+json")) or plain in ("*/*", "application/*")


def is_text(name: str) -> bool:
    """Whether a text is its content as it stands."""
    plain = bare(name)
    return plain.startswith("text/") or plain.endswith(
        ("/xml", "+xml", "/yaml", "+yaml", "/csv", "/x-ndjson")
    )


def declared_for(content_type: str, declared: Iterable[str]) -> str | None:
    """Which of the declared types a body's type is: itself, or a range that has it; None: none of them."""
    sent = media_type.read(content_type)
    if sent is None:
        return None
    names = list(declared)
    for name in names:
        if bare(name) == sent.name:
            return name
    main = sent.name.partition("/")[0]
    return next((name for name in names if bare(name) in (f"{main}/*", "*/*")), None)


def wanted(accept: str, declared: Iterable[str]) -> str | None:
    """Which of the declared types fits an Accept best, the first of those that fit alike; None: none does."""
    names = list(declared)
    if not accept.strip() or not names:
        return names[0] if names else None
    ranges = [
        (found[1].lower(), _quality(found[2]))
        for part in accept.split(",")[:_MOST_RANGES]
        if (found := _RANGE.fullmatch(part))
    ]
    best, quality = None, 0.0
    for name in names:
        fits = _quality_of(bare(name), ranges)
        if fits > quality:
            best, quality = name, fits
    return best


def _quality(parameters: str) -> float:
    found = _WEIGHT.search(parameters)
    return float(found[1]) if found else 1.0


def _quality_of(name: str, ranges: list[tuple[str, float]]) -> float:
    """By the most exact range that has it."""
    main = name.partition("/")[0]
    if name == "*/*" or name.endswith("/*"):
        return max((quality for _, quality in ranges), default=0.0)
    for wanted_range in (name, f"{main}/*", "*/*"):
        found = [quality for each, quality in ranges if each == wanted_range]
        if found:
            return max(found)
    return 0.0
