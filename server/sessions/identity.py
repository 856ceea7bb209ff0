"""Which session a request belongs to, and the name of its directory.

The directory's name is a digest of how the session was named: no text from a client becomes a path,
ids that differ in case are different directories on every file system, and an id can't collide with
a session that was derived from a token (T01, T02).

With the scope "token" a session belongs to the token that asks for it: two tokens' `shop` are two sessions,
called `TOKEN/shop` where operators see them. A token's name has no slash, nor has an id.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Literal

from server.values.errors import SessionInvalid, SessionMissing
from server.values.model import Session

Anonymous = Literal["reject", "shared"]
Scope = Literal["service", "token"]

#: Between a session's owner and its name.
OWNER_END = "/"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
#: As `server/settings/key.py` has the names of tokens.
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@lru_cache(maxsize=4096)
def session_for(
    header: str | None, token_name: str | None, anonymous: Anonymous, scope: Scope = "service"
) -> Session:
    """The session named by the X-Session-ID header, else derived from the token's name.

    Raises SessionInvalid for an id outside the grammar, SessionMissing when nothing names one.
    """
    if header is not None:
        if not ID.fullmatch(header):
            raise SessionInvalid(
                "X-Session-ID must be 1 to 128 letters, digits, `_` or `-`, and start with a letter or digit."
            )
        if scope == "token" and token_name is not None:
            return owned(token_name, header)
        return _session(header, "id")
    if token_name is not None:
        return _session(token_name, "token", prefix="token:")
    if anonymous == "shared":
        return _session("anonymous", "anonymous", prefix="~")
    raise SessionMissing("Session identifier missing: send an X-Session-ID header.")


def owned(owner: str, name: str) -> Session:
    """A token's own session of a name. Raises SessionInvalid."""
    if not _OWNER.fullmatch(owner):
        raise SessionInvalid(
            "Before the slash stands a token's name: 1 to 64 letters, digits, `_` or `-`, "
            "a letter or digit first."
        )
    if not ID.fullmatch(name):
        raise SessionInvalid(
            "A session's name is 1 to 128 letters, digits, `_` or `-`, a letter or digit first."
        )
    return _session(name, f"owned:{owner}", prefix=f"{owner}{OWNER_END}")


def session_of_link(
    name: str | list[str],
    token_name: str | None = None,
    scope: Scope = "service",
    *,
    allowed: bool,
    cross_site: bool,
) -> Session:
    """The session that `?session=` names, where no header names one.

    Raises SessionMissing where the setting does not allow it, and for a write that a page of another site
    sends: for that it would need no header, so nobody's consent. SessionInvalid as above.
    """
    if not allowed:
        raise SessionMissing(
            "Session identifier missing: send an X-Session-ID header. ?session= names a session only where "
            "sessions.in_query is on; with the header it is a filter."
        )
    if cross_site:
        raise SessionMissing("A page of another site changes no session that is named by ?session= alone.")
    if isinstance(name, list):
        raise SessionInvalid("The query names more than one session.")
    return session_for(name, token_name, "reject", scope)


def _session(name: str, domain: str, *, prefix: str = "") -> Session:
    """`prefix` keeps derived ids out of the grammar of sent ones, so that plans and logs tell them apart."""
    digest = hashlib.blake2b(f"{domain}:{name}".encode(), digest_size=16, person=b"session-dir")
    return Session(id=prefix + name, directory=digest.hexdigest())
