"""How keys are made, and how a key becomes a record's address.

An address is text that the store takes for an id whatever the key is: a key of plain characters as it is, any
other as a digest. Before it stand the values of the scopes that it is unique within.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from typing import TYPE_CHECKING, Any, Final

from store.names import ACTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.contracts.model import Key, Resource
    from server.contracts.views import View

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@:+-]{0,79}")
_INT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_MAX_INT: Final = 2**53 - 1
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_SHARED: Final = _DIGITS + _LETTERS + _LETTERS.upper()
_MAX_LENGTH: Final = 64
_SIZE: Final = 20


def address_of(key: Any, scope: Iterable[Any] = ()) -> str:
    """The address of a record: the scopes' values, then the key."""
    return "".join(f"{_safe(each)}/" for each in scope) + _safe(key)


def prefix_of(scope: Iterable[Any]) -> str:
    return "".join(f"{_safe(each)}/" for each in scope)


def _safe(value: Any) -> str:
    text = str(value)
    if (
        _PLAIN.fullmatch(text)
        and text not in ACTION_WORDS
        and (not _INT.fullmatch(text) or abs(int(text)) <= _MAX_INT)
    ):
        return text
    return f"~{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=15).hexdigest()}"


def is_plain(key: Any) -> bool:
    """Whether the key is its own address."""
    return _safe(key) == str(key)


def making_of(resource: Resource, body: View | None, example: Any) -> list[Any]:
    """How the service makes a key: a word for the way, and what that needs."""
    key = resource.key
    if key.kind == "integer":
        least = key.view.said.get("minimum", 1)
        return ["number", least if isinstance(least, int) and least > 1 else 1]
    if key.path and key.path[-1].lower() == "slug" and body is not None:
        source = next((name for name in body.properties if name.lower() in ("title", "name", "label")), None)
        if source is not None:
            return ["slug", source]
    return _text_making(key, example)


def _text_making(key: Key, example: Any) -> list[Any]:
    said = key.view.said
    if said.get("format") == "uuid":
        return ["uuid"]
    pattern = said.get("pattern")
    if isinstance(pattern, str):
        pieces = pieces_of_pattern(pattern)
        if pieces:
            return ["pieces", pieces]
    if isinstance(example, str) and example:
        if _UUID.fullmatch(example):
            return ["uuid"]
        if _PLAIN.fullmatch(example) and len(example) <= _MAX_LENGTH:
            return (
                ["number", 1] if example.isdigit() and len(example) < 4 else ["pieces", pieces_like(example)]
            )
    most = said.get("maxLength")
    if isinstance(most, int) and 0 < most < 36:
        return ["pieces", [_SHARED] * most]
    return ["uuid"]


def pieces_like(example: str) -> list[str]:
    """For each character what may stand there: a prefix stays, the rest is of the same kind."""
    cut = max(example.rfind("_"), example.rfind("-"), example.rfind(":")) + 1
    if not cut and (found := re.match(r"[A-Z]{2,3}(?=[0-9a-f]{8,})", example)):
        cut = found.end()
    rest = example[cut:]
    if len(rest) < 4:
        rest, cut = "x" * 12, len(example) if cut == len(example) else cut
    kinds = (
        _DIGITS
        if rest.isdigit()
        else "0123456789abcdef"
        if re.fullmatch("[0-9a-f]+", rest) and len(rest) >= 8
        else _SHARED
    )
    if rest.isupper() and not rest.isdigit():
        kinds = _DIGITS + _LETTERS.upper()
    return [*example[:cut], *([kinds] * len(rest))]


def pieces_of_pattern(pattern: str) -> list[str]:
    """What may stand at each place of a text that a simple pattern takes; [] for what is not simple.

    Read by the same parser as Python's own patterns; nothing is matched.
    """
    parser: Any = importlib.import_module("re._parser")

    try:
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return []
    pieces = _pieces(list(parsed), 0)
    return pieces if pieces is not None and len(pieces) <= _MAX_LENGTH else []


def _pieces(items: list[Any], depth: int) -> list[str] | None:  # noqa: C901 - a table
    if depth > 8:
        return None
    found: list[str] = []
    for code, value in items:
        word = str(code)
        part: list[str] | None
        if word == "LITERAL":
            part = [chr(value)]
        elif word == "AT":
            part = []
        elif word == "IN":
            chars = _chars(value)
            part = [chars] if chars else None
        elif word in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = value
            one = _pieces(list(inner), depth + 1)
            times = (
                least if int(most) > _MAX_LENGTH and least >= 8 else min(int(most), max(int(least), _SIZE))
            )
            part = None if one is None or times > _MAX_LENGTH else one * times
        elif word == "SUBPATTERN":
            part = _pieces(list(value[-1]), depth + 1)
        elif word == "BRANCH":
            part = _pieces(list(value[1][0]), depth + 1)
        elif word == "ANY":
            part = [_SHARED]
        else:
            part = None
        if part is None or len(found) + len(part) > _MAX_LENGTH:
            return None
        found += part
    return found


def _chars(members: list[Any]) -> str:
    chars: dict[str, None] = {}
    for code, value in members:
        word = str(code)
        if word == "LITERAL":
            chars[chr(value)] = None
        elif word == "RANGE":
            chars.update(
                dict.fromkeys(chr(each) for each in range(value[0], min(value[1], value[0] + 127) + 1))
            )
        elif word == "CATEGORY" and str(value) in ("CATEGORY_DIGIT", "CATEGORY_WORD"):
            chars.update(dict.fromkeys(_DIGITS if "DIGIT" in str(value) else _SHARED))
        else:
            return ""
    if {*"0123456789abcdefABCDEF"} == set(chars):
        return "0123456789abcdef"
    return "".join(each for each in chars if each.isprintable())
