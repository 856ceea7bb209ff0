"""The Prefer header (RFC 7240), as far as it means something here.

    return=minimal          a write that succeeds answers without the record
    return=representation   the reply holds the record, which it does anyway
    tx=rollback             a dry run: the reply as it would be, and nothing is kept

A preference is a wish: what is not known, or not well formed, is passed over (§2), and of two for the same
thing the first counts. What was done is said in Preference-Applied.
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import frozen

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word
_PREFERENCE = re.compile(rf'\s*({_TOKEN})(?:\s*=\s*({_TOKEN}|"[^"\\]*"))?\s*(?:;.*)?')


@frozen
class Preferences:
    minimal: bool = False
    representation: bool = False
    dry_run: bool = False


@lru_cache(maxsize=256)
def preferences(header: str) -> Preferences:
    """What a Prefer header asks for; several such headers are one, joined by commas."""
    wished: dict[str, str] = {}
    for part in header.split(","):
        if found := _PREFERENCE.fullmatch(part):
            wished.setdefault(found[1].lower(), (found[2] or "").strip('"'))
    returned = wished.get("return")
    return Preferences(
        minimal=returned == "minimal",
        representation=returned == "representation",
        dry_run=wished.get("tx") == "rollback",
    )
