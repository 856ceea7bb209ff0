"""What an operator should know of who can reach the service, and how: told once, when it has started."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.settings.schema import Settings

#: Characters. Of 64 that a token may well be made of, sixteen are 96 bits: nobody tries them all.
LEAST_TOKEN: Final = 16
_SHORT = "a token that short can be guessed; make one with: openssl rand -hex 32"
_OPEN = (
    "whoever reaches this address reads and writes all sessions; set LARS_AUTH_TOKEN, or listen on 127.0.0.1"
)


def warnings(settings: Settings) -> Iterator[tuple[str, dict[str, str]]]:
    """Events for the log, each with its members. No token is in them, only what its setting is called."""
    auth = settings.auth
    tokens = {"auth.token": auth.token, "auth.admin_token": auth.admin_token}
    tokens |= {"auth.metrics_token": auth.metrics_token}
    tokens |= {f"auth.tokens.{name}": token for name, token in auth.tokens.items()}
    for name, token in tokens.items():
        if token and len(token) < LEAST_TOKEN:
            yield "short token", {"setting": name, "advice": _SHORT}
    if not auth.by_name and not is_local(settings.server.host):
        yield "open to the network", {"host": settings.server.host, "advice": _OPEN}


def is_local(host: str) -> bool:
    """Whether only this machine reaches it; what another name than localhost leads to is not asked."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
