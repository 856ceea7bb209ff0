"""Tokens that operations hand out: whoever comes with one is who it was handed to.

An operation that answers a token (a login, a sign-up) is planned like any other; the token is whatever its
plan made. What is kept of it is a digest, and what stood beside it: `{"user": {"email": ..., "token": ...}}`
has the claims `{"email": ...}`. Where that names nobody, what the request said of itself counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve

from server.contracts.credentials import Identity, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.sessions.settings import SessionSettings

#: The member of a session's settings.
MEMBER: Final = "issued"
#: Tokens that are known of one session, and what they take; the oldest go.
MOST_TOKENS: Final = 200
MOST_BYTES: Final = 24 * 1024
_MOST_CLAIMS: Final = 16
_MOST_CHARACTERS: Final = 256
_MOST_LEVELS: Final = 3
_LEAST_TOKEN: Final = 6
_TOKENS: Final = frozenset(
    {
        "token",
        "accesstoken",
        "idtoken",
        "authtoken",
        "sessiontoken",
        "apitoken",
        "bearertoken",
        "jwt",
        "apikey",
    }
)
_SECRETS: Final = ("password", "passwd", "secret", "token", "pin", "hash", "salt", "apikey", "jwt")
#: Claims that say who somebody is, the surest first.
_NAMES: Final = ("id", "sub", "userid", "uid", "username", "login", "user", "email", "name")
_USERS: Final = ("username", "login", "user", "name", "email")


def issued_by(reply: Any, request: Any) -> tuple[str, dict[str, Any]] | None:
    """The token in a reply, and its claims; None where there is none."""
    for holder in _objects(reply, 0):
        for name, value in holder.items():
            if _plain(name) in _TOKENS and isinstance(value, str) and len(value) >= _LEAST_TOKEN:
                claims = _claims(holder)
                return value, claims if _name_in(claims) else _claims_of_request(request) or claims
    return None


def _objects(value: Any, level: int) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict) and level < _MOST_LEVELS:
        yield value
        for each in value.values():
            yield from _objects(each, level + 1)


def _name_in(claims: Mapping[str, Any]) -> Any:
    """The claim that says who somebody is."""
    by_name = {_plain(name): value for name, value in claims.items()}
    return next((by_name[name] for name in _NAMES if name in by_name), None)


def _claims_of_request(request: Any) -> dict[str, Any]:
    return next((claims for holder in _objects(request, 0) if (claims := _claims(holder))), {})


def _claims(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Short values that are no secrets; of an object beside the token, those within it, too."""
    found: dict[str, Any] = {}
    for name, value in holder.items():
        if isinstance(value, dict):
            found |= {key: each for key, each in value.items() if _is_claim(key, each)}
        elif _is_claim(name, value):
            found[name] = value
    return dict(list(found.items())[:_MOST_CLAIMS])


def _is_claim(name: str, value: Any) -> bool:
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return False
    return isinstance(value, str | int | bool) and not any(secret in _plain(name) for secret in _SECRETS)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


class IssuedTokens:
    """Of all sessions."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings

    async def note(self, session: str, token: str, claims: Mapping[str, Any]) -> None:
        """Raises Unavailable."""
        known = (await self._settings.of(session)).get(MEMBER) or {}
        digest = digest_of(token)
        if known.get(digest) == claims:
            return
        others = {key: value for key, value in known.items() if key != digest}
        kept = dict(list({**others, digest: dict(claims)}.items())[-MOST_TOKENS:])
        while len(orjson.dumps(kept)) > MOST_BYTES:
            del kept[next(iter(kept))]
        await self._settings.change(session, {MEMBER: kept})

    async def named(self, session: str, identity: Identity) -> Identity:
        """With what is known of its token. The same person has the same id with another token."""
        known = (await self._settings.of(session)).get(MEMBER) or {}
        claims = known.get(identity.id)
        if not isinstance(claims, dict):
            return identity
        who = _name_in(claims)
        own = identity.id if who is None else digest_of(f"{who}")
        by_name = {_plain(name): str(value) for name, value in claims.items()}
        user = next((by_name[name] for name in _USERS if name in by_name), "")
        return evolve(identity, id=own, user=identity.user or user, claims=claims)
