"""The credentials of a request's own API: a helper that a plan may call."""

from __future__ import annotations

from contextvars import ContextVar

#: The header of the request that is served; set by who runs a program that asks for it.
AUTHORIZATION: ContextVar[str] = ContextVar("AUTHORIZATION", default="")


def bearer(scheme: str = "Bearer") -> str | None:
    """The token of `Authorization: Bearer ...` (scheme "Token": of `Token ...`), None without one."""
    given, _, token = AUTHORIZATION.get().strip().partition(" ")
    # RFC 9110 §11.1: a scheme is a name without regard to case.
    return (token.strip() or None) if given.lower() == scheme.lower() else None
