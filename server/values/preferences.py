"""The Prefer header (RFC 7240), as far as it means something here.

    return=minimal          a write that succeeds answers without the record
    return=representation   the reply holds the record, which it does anyway
    tx=rollback             a dry run: the reply as it would be, and nothing is kept
    code=429                a reply of that status, 200 to 599, and nothing runs (server/http/simulated.py)
    delay=0.5               so many seconds before anything is done

A preference is a wish: what is not known, or not well formed, is passed over (§2), and of two for the same
thing the first counts. What was done is said in Preference-Applied.
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import frozen

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word
_STATUS = re.compile(r"[2-5][0-9]{2}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
_PREFERENCE = re.compile(rf'\s*({_TOKEN})(?:\s*=\s*({_TOKEN}|"[^"\\]*"))?\s*(?:;.*)?')


@frozen
class Preferences:
    minimal: bool = False
    representation: bool = False
    dry_run: bool = False
    #: 0: none is asked for.
    code: int = 0
    #: In seconds.
    delay: float = 0.0


@lru_cache(maxsize=256)
def preferences(header: str) -> Preferences:
    """What a Prefer header asks for; several such headers are one, joined by commas."""
    wished: dict[str, str] = {}
    for part in header.split(","):
        if found := _PREFERENCE.fullmatch(part):
            wished.setdefault(found[1].lower(), (found[2] or "").strip('"'))
    returned, code, delay = wished.get("return"), wished.get("code", ""), wished.get("delay", "")
    return Preferences(
        minimal=returned == "minimal",
        representation=returned == "representation",
        dry_run=wished.get("tx") == "rollback",
        code=int(code) if _STATUS.fullmatch(code) else 0,
        delay=float(delay) if _SECONDS.fullmatch(delay) else 0.0,
    )
