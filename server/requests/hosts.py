"""By which names the service is reached: a guard against DNS rebinding (T60).

A page that somebody visits can have its own name resolve to 127.0.0.1. For a browser the service is then the
page's own server, and all that CORS keeps from strangers is open to it: but the Host header still has the
page's name. So what listens to this machine alone is served under this machine's own names, which nobody else
can have resolved, unless the settings name others.

Names are compared without port and case. An address is a name like any other: who reaches the service by one
has not looked it up, but where nobody else may connect only this machine's own lead here.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from server.requests.headers import single
from server.values.errors import InvalidHeader, MisdirectedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import MultiMapping

ANY = "*"
_LOCAL = "localhost"
_HOST = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
#: Of a target in the absolute form.
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def host_of(headers: MultiMapping[str]) -> str | None:
    """The Host header as it was sent, None without one. Raises InvalidHeader unless it is `host[:port]`."""
    sent = single(headers, "Host")
    if sent is not None and not _HOST.fullmatch(sent):
        raise InvalidHeader("The Host header is not a host with an optional port.", header="host")
    return sent


class Hosts:
    """Names that are served, besides those of this machine: `*.example.com` is all below it, `*` any.

    `local_only`: with no names at all, it is this machine's own alone; else it is any.
    """

    def __init__(self, names: Iterable[str] = (), *, local_only: bool = False) -> None:
        listed = {_plain(name) for name in names}
        self._any = ANY in listed or not (listed or local_only)
        self._names = {name for name in listed if not name.startswith("*")}
        self._below = tuple(name[1:] for name in listed if name.startswith("*."))

    def check(self, headers: MultiMapping[str], target: str = "/") -> None:
        """Raises MisdirectedRequest, and InvalidHeader for what is no host, or where a target names another.

        HTTP/1.0 has requests without Host. No browser makes one.
        """
        if target[:1] != "/":
            _check_authority(target, headers)
        if self._any:
            return
        sent = host_of(headers)
        if sent is not None and not self._is_served(sent):
            raise MisdirectedRequest(
                f"The service is not served under the name {_plain(sent)}. Ask for it by a name of its own, "
                "such as localhost, or add the name to `server.hosts`.",
                host=_plain(sent),
            )

    def _is_served(self, sent: str) -> bool:
        name = _plain(sent)
        return name in self._names or name.endswith(self._below) or is_local(name)


def _check_authority(target: str, headers: MultiMapping[str]) -> None:
    """A target in the absolute form names the host, too, and that counts (RFC 9112 §3.2.2).

    A client sends both alike (§3.2); where they are not, whom it means is not known.
    """
    found = _AUTHORITY.match(target)
    if found is None:
        return
    sent = host_of(headers)
    if sent is None or not _HOST.fullmatch(found[1]) or _plain(found[1]) != _plain(sent):
        raise InvalidHeader(
            "The request target names another host than the Host header. Send the path alone as the target, "
            "or the same host in both.",
            header="host",
        )


def is_local(name: str) -> bool:
    """Whether a name, or an address in brackets or not, is this machine's own (RFC 6761 §6.3)."""
    if name == _LOCAL or name.endswith(f".{_LOCAL}"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _plain(host: str) -> str:
    """In lower case, without port, brackets, and the dot that a whole name may end in."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".") if name.count(":") == 1 else name.removesuffix(".")
