"""The sockets that the service listens on."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.settings.schema import ServerSettings

#: Connections that wait to be taken.
BACKLOG: Final = 1_024


async def listening(options: ServerSettings) -> list[socket.socket]:
    """One for each address that the host has, as asyncio makes them. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            made = socket.socket(family, kind, protocol)
            sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(address)
            made.listen(BACKLOG)
            made.setblocking(False)  # noqa: FBT003  as the standard library has it
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
