"""The Accept header (RFC 9110 §12.5.1): in which of our media types a reply may be, the best one first.

1. A type's quality is that of the most specific range that covers it; without one it is not acceptable.
2. Of types with the same quality, the one that is named more specifically comes first, then JSON: so
   `text/csv, */*` is CSV, and a browser's `*/*;q=0.8` is JSON.
3. `application/problem+json` is what errors come in whatever is accepted, so a client that names nothing
   else than it that we have is given JSON.
4. Of types in JSON's structured syntax (RFC 6839 §3.1, `application/vnd.api+json`, and the old `text/json`)
   any is as good as JSON where no range covers JSON itself: it is what the reply is then called.
5. Elements that are no media range are passed over. A header that asks for nothing, but only excludes
   (`image/png;q=0`), leaves everything else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

MediaType: TypeAlias = Literal["application/json", "text/csv", "application/x-ndjson"]

JSON: MediaType = "application/json"
CSV: MediaType = "text/csv"
NDJSON: MediaType = "application/x-ndjson"
#: In our order.
OFFERED: tuple[MediaType, ...] = (JSON, CSV, NDJSON)
_PROBLEM = "application/problem+json"
_SUFFIX = "+json"
_OLD_NAME = "text/json"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word
_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*((?:;[^;]*)*)")
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


@lru_cache(maxsize=256)
def acceptable(accept: str) -> tuple[MediaType, ...]:
    """Our media types that the header accepts, best first; all of them for an empty one."""
    ranges = _ranges(accept)
    if not any(ranges.values()):
        ranges.setdefault("*/*", 1.0)  # nothing is asked for, at most some is excluded
    ranked = sorted(
        ((_rank(each, ranges), each) for each in OFFERED), key=lambda pair: pair[0], reverse=True
    )  # stable, so that ours is the order of equals
    found = tuple(each for (quality, _), each in ranked if quality > 0)
    if not found and ranges.get(_PROBLEM, 0) > 0:
        return (JSON,)
    return found


@lru_cache(maxsize=256)
def json_label(accept: str) -> str:
    """What JSON is called, by rule 4; `application/json` where rule 4 does not come in."""
    ranges = _ranges(accept)
    if _covering(JSON, ranges)[0] > 0:
        return JSON
    name = _alike(ranges)
    return JSON if name is None or "*" in name else name


def _alike(ranges: dict[str, float]) -> str | None:
    """The best of the types that are JSON by another name; errors' own is none."""
    named = [
        name
        for name, quality in ranges.items()
        if quality > 0 and (name.endswith(_SUFFIX) or name == _OLD_NAME) and name != _PROBLEM
    ]
    return max(named, key=lambda name: ranges[name], default=None)


def _ranges(accept: str) -> dict[str, float]:
    """Quality by media range, in lower case."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        if match := _RANGE.fullmatch(part):
            qualities = [q for text in match[3].split(";") if (q := _QUALITY.fullmatch(text))]
            name = f"{match[1]}/{match[2]}".lower()
            found[name] = max(float(qualities[-1][1]) if qualities else 1.0, found.get(name, 0.0))
    return found


def _rank(media_type: MediaType, ranges: dict[str, float]) -> tuple[float, int]:
    """Quality, and how specific the range is that it comes from."""
    found = _covering(media_type, ranges)
    if media_type == JSON and not found[0] and (name := _alike(ranges)):
        return ranges[name], 2
    return found


def _covering(media_type: MediaType, ranges: dict[str, float]) -> tuple[float, int]:
    kind = media_type.partition("/")[0]
    for specific, name in ((2, media_type), (1, f"{kind}/*"), (0, "*/*")):
        if name in ranges:
            return ranges[name], specific
    return 0.0, 0


def ranges_of(accept: str) -> dict[str, float]:
    """The media ranges that a header names, in lower case, with their quality."""
    return _ranges(accept)
