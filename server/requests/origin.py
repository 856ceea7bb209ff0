"""Who is at the other end, and by which address the client knows us: both only as far as believable."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeAlias

from server.requests.hosts import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import MultiMapping

Network: TypeAlias = IPv4Network | IPv6Network

_HOP = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?(?::[0-9]{1,5})?")


class Origin:
    """`trusted_proxies` are networks whose X-Forwarded-For is believed; `public_url` beats any Host."""

    def __init__(self, *, trusted_proxies: Iterable[Network] = (), public_url: str = "") -> None:
        self._trusted = tuple(trusted_proxies)
        self._public_url = public_url.rstrip("/")

    def client_ip(self, peer: str, headers: MultiMapping[str]) -> str:
        """The peer, or behind trusted proxies the last hop that is not one of them."""
        if not self._is_trusted(peer):
            return peer
        client = peer
        hops = ",".join(headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed(hops):
            address = _address(hop.strip())
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _is_trusted(self, text: str) -> bool:
        if not self._trusted:
            return False
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)

    def base_url(self, headers: MultiMapping[str]) -> str:
        """Without a slash at the end. Raises InvalidHeader for a Host that is not `host[:port]`."""
        if self._public_url:
            return self._public_url
        host = host_of(headers)
        return f"http://{host or 'localhost'}"  # HTTP/1.0 has none; the parser asks for one from 1.1 on


def network_of(text: str) -> str:
    """What counts as one client: an IPv4 address, or the network /64 that one IPv6 client can choose from."""
    address = _address(text)
    if not isinstance(address, IPv6Address):
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    for candidate in (text, match[1] if (match := _HOP.fullmatch(text)) else ""):
        try:
            return ip_address(candidate)
        except ValueError:
            continue
    return None
