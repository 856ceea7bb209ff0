"""The HTTP client under both SDKs: pooled, and stricter than what they would make for themselves.

1. No proxy and no certificate out of the environment, no redirect followed.
2. No URL that the settings refuse, whatever an SDK makes of its base URL.
3. Only the headers that a call needs: the SDKs add the host's platform, and whatever OPENAI_CUSTOM_HEADERS
   or ANTHROPIC_CUSTOM_HEADERS say.
4. Plain http only to an address that is private: a name is looked up here, and the call goes to what was
   found, so that no key leaves the network in the clear because a name leads elsewhere now.
5. No answer over the cap, counted while it is read. Compression is neither asked for nor accepted: a
   small body could unpack to any size.
"""

from __future__ import annotations

import asyncio
import socket
from functools import cache
from typing import TYPE_CHECKING, Final

import httpx2
from attrs import frozen

from server.settings.key import is_loopback, is_private

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

#: A plan has some kilobytes; with reasoning that a server sends along, some hundred.
MAX_ANSWER_BYTES: Final = 1024 * 1024
CONNECT_SECONDS: Final = 5.0

_LIMITS: Final = httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=30.0)
_SENT_HEADERS: Final = frozenset(
    {"host", "connection", "user-agent", "accept", "accept-encoding", "content-type", "content-length"}
    | {"authorization", "x-api-key", "anthropic-version"}
)


class NotAllowed(httpx2.RequestError):
    """The settings refuse this URL."""


class AnswerRefused(httpx2.RequestError):
    """An answer that is not read to its end; `status` is its HTTP status."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def open_client(refusal: Callable[[str], str]) -> httpx2.AsyncClient:
    """A client to be closed by its owner. `refusal` tells why a URL may not be called; empty: it may."""
    transport = httpx2.AsyncHTTPTransport(limits=_LIMITS, trust_env=False, retries=0, verify=_trusted())
    return httpx2.AsyncClient(
        transport=_Guarded(transport, refusal),
        trust_env=False,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
    )


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are believed: read once, which takes some 50 ms."""
    return httpx2.create_ssl_context(trust_env=False)


def time_out(seconds: float) -> httpx2.Timeout:
    """Time-outs of one call for which `seconds` are left.

    A host that cannot be reached is given up before the deadline. Everything else ends a little after it:
    the deadline itself is the caller's, and should be what is seen.
    """
    return httpx2.Timeout(seconds + 1.0, connect=CONNECT_SECONDS)


@frozen(eq=False)
class _Guarded(httpx2.AsyncBaseTransport):
    _transport: httpx2.AsyncBaseTransport
    _refusal: Callable[[str], str]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._refusal(str(request.url)):
            raise NotAllowed("the settings do not allow the provider's address")
        sparse = _sparse(request)
        if sparse.url.scheme == "http" and not is_loopback(sparse.url.host):
            sparse.url = sparse.url.copy_with(host=await _private_address(sparse.url))
        response = await self._transport.handle_async_request(sparse)
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            raise TypeError("the transport does not stream")
        response.stream = _Capped(response.stream, response.status_code, response.headers)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _private_address(url: httpx2.URL) -> str:
    """Where a call in plain http goes. Raises NotAllowed where any address of the host is not private."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, url.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        raise httpx2.ConnectError("the provider's host has no address") from None
    addresses = [str(address[0]).partition("%")[0] for *_, address in found]
    if not addresses or not all(map(is_private, addresses)):
        raise NotAllowed(
            "the provider's host leads to an address that is not private, and plain http is for these"
        )
    return next((each for each in addresses if ":" not in each), addresses[0])


def _sparse(request: httpx2.Request) -> httpx2.Request:
    """A copy with only the headers we send. The SDKs still look into their own for what they wanted."""
    headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() in _SENT_HEADERS]
    return httpx2.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )


@frozen(eq=False)
class _Capped(httpx2.AsyncByteStream):
    _stream: httpx2.AsyncByteStream
    _status: int
    _headers: httpx2.Headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerRefused("the answer is compressed, which nobody asked for", self._status)
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > MAX_ANSWER_BYTES:
                raise AnswerRefused(f"the answer has more than {MAX_ANSWER_BYTES} bytes", self._status)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
