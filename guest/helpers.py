"""The pure helpers a plan may call. What a planner is told of them stands in the prompt's `reference.md`."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
import uuid
from base64 import urlsafe_b64encode
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from guest.fixed import FIXED, MAX_BYTES
from guest.reply import MAX_DEPTH, RequestFault

if TYPE_CHECKING:
    from collections.abc import Callable

#: Beyond this, JSON readers disagree about what the number is.
_LARGEST_INT = 2**53 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,17}")
_DIGITS = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]++(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
#: To its end, or to the text's: an attempt that fails there would be made again at each quote.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def as_int(text: Any, default: int | None = None) -> int | None:
    """Read a query value as an integer: `as_int(ctx["query"].get("limit"), 20)`.

    Absent or empty gives the default; anything else that is no integer ends the plan with 400.
    """
    if text is None or text == "":
        return default
    if type(text) is int:
        return text
    if type(text) is str and _INTEGER.fullmatch(text) and abs(number := int(text)) <= _LARGEST_INT:
        return number
    if type(text) is str and _DIGITS.fullmatch(text):
        raise RequestFault(400, f"{_shown(text)} is too large an integer")
    raise RequestFault(400, f"{_shown(text)} is not an integer")


def as_float(text: Any, default: float | None = None) -> float | None:
    """Read a query value as a number. Absent gives the default; a wrong one ends the plan with 400."""
    if text is None or text == "":
        return default
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    if not isinstance(text, str) or len(text) > 64 or not _NUMBER.fullmatch(text):
        raise RequestFault(400, f"{_shown(text)} is not a number")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise RequestFault(400, f"{_shown(text)} is too large a number")
    return number


def as_bool(text: Any, default: bool | None = None) -> bool | None:  # noqa: FBT001  plans pass it by position
    """Read a query value as a boolean: true/false, 1/0, yes/no, on/off. Wrong ones end the plan with 400."""
    if text is None or text == "":
        return default
    if isinstance(text, bool):
        return text
    word = text.lower() if isinstance(text, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise RequestFault(400, f"{_shown(text)} is not a boolean (true or false)")


def parse_json(text: Any) -> Any:
    """JSON in a text of the request: `parse_json(ctx["query"].get("filter"))`. A wrong one: 400."""
    if not isinstance(text, str):
        raise RequestFault(400, "A text with JSON in it is missing")
    if _depth(text) > MAX_DEPTH:
        raise RequestFault(400, f"{_shown(text)} is nested deeper than {MAX_DEPTH} levels")
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        raise RequestFault(400, f"{_shown(text)} is not JSON") from None


def _depth(text: str) -> int:
    """How deep a JSON text nests. Seen beforehand, as what nests too deep cannot even be dropped again."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_number(word: str) -> None:
    """RFC 8259 §6: no NaN, no infinity."""
    raise ValueError(word)


def _shown(text: Any) -> str:
    if isinstance(text, list):
        return "A repeated parameter"
    return repr(text if len(text) <= 40 else text[:40] + "...") if isinstance(text, str) else "The value"


def now() -> str:
    """The current time in UTC as ISO 8601 text: "2026-03-01T12:30:00.123Z". Such texts sort by time."""
    moment = FIXED.now()
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def today() -> str:
    """The current date in UTC: "2026-03-01"."""
    return FIXED.now().date().isoformat()


def uuid4() -> str:
    """A new random UUID as text."""
    return str(uuid.UUID(bytes=FIXED.random_bytes(16), version=4))


def new_token(size: int = 32) -> str:
    """A new secret token, safe in URLs, made of `size` random bytes (at most 256)."""
    drawn = FIXED.random_bytes(min(max(int(size), 8), MAX_BYTES))
    return urlsafe_b64encode(drawn).rstrip(b"=").decode()


def slugify(text: Any) -> str:
    """Text as a URL word: `slugify("Héllo, World!")` gives "hello-world"."""
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def url_quote(text: Any) -> str:
    """Text as one segment of a path, percent-encoded: `f"/members/{url_quote(rec['id'])}"`."""
    return quote(str(text), safe="")


def re_match(pattern: str, text: Any) -> list[str | None] | None:
    """The whole match and then its groups, or None. Searches anywhere: anchor with ^ and $."""
    found = re.search(pattern, text) if isinstance(text, str) else None
    return None if found is None else [found.group(0), *found.groups()]


def money(amount: Any) -> float:
    """A number rounded half up to two places, free of binary noise: `money(0.1 + 0.2)` gives 0.3."""
    try:
        return float(Decimal(str(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))
    except InvalidOperation as error:
        raise ValueError("money() needs a number") from error


def by(*fields: str) -> Callable[[Any], tuple[Any, ...]]:
    """A key for `sorted`: `sorted(rows, key=by("-price", "name"))`; `-` sorts downwards.

    Numbers come before texts; records without the field come last either way.
    """
    wanted = [(field.removeprefix("-"), field.startswith("-")) for field in fields]

    def key(record: Any) -> tuple[Any, ...]:
        return tuple(_rank(_dig(record, path), down=down) for path, down in wanted)

    return key


def _dig(record: Any, path: str) -> Any:
    if isinstance(record, dict) and path in record:
        return record[path]
    for part in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(part)
    return record


def _rank(value: Any, *, down: bool) -> tuple[int, Any]:
    if value is None:
        return (1, 0)
    if isinstance(value, (bool, int, float)):
        comparable: tuple[int, Any] = (0, value)
    else:
        comparable = (1, value if isinstance(value, str) else str(value))
    return (0, _Downwards(comparable) if down else comparable)


class _Downwards:
    """A value that compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Downwards) and self.value == other.value

    def __lt__(self, other: _Downwards) -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


class Secrets:
    """Password hashing. The key derivation itself is the host's: it needs OpenSSL."""

    def __init__(self, derive_key: Callable[[str, str], str]) -> None:
        self._derive_key = derive_key

    def hash_secret(self, secret: Any) -> str:
        """A password as salted text, safe to store: `rec["password"] = hash_secret(body["password"])`."""  # noqa: D402
        salt = secrets.token_hex(16)
        return f"scrypt${salt}${self._derive(secret, salt)}"

    def verify_secret(self, secret: Any, stored: Any) -> bool:
        """Whether a password is the one that `hash_secret` made `stored` from; else False."""
        parts = stored.split("$") if isinstance(stored, str) else []
        if len(parts) != 3 or parts[0] != "scrypt":
            return False
        return secrets.compare_digest(parts[2].encode(), self._derive(secret, parts[1]).encode())

    def _derive(self, secret: Any, salt: str) -> str:
        if not isinstance(secret, str):
            raise TypeError("a secret is text")
        key = self._derive_key(secret, salt)
        if not key:
            raise ValueError("too many secrets hashed or verified in one request")
        return key
