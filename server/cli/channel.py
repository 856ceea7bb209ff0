"""Where a command goes: one narrow method, and the two ways behind it.

Both end in the same `server.operations.api.Api`, so a command means the same with and without a service.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import aiohttp
import orjson
from attrs import define, field, frozen

from server.operations.call import Archive, Call, Piece
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.operations.api import Api

#: A session of the largest size is exported in some seconds; a plan may run for minutes.
_TIMEOUT = aiohttp.ClientTimeout(total=900)


class Refusal(Exception):
    """What was asked for is not done. `problem` is the problem document (RFC 9457) that says why."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "refused"))
        self.problem = problem


@frozen
class Ask:
    """A request to the operators' interface. `upload` is sent as the body, `save` is where a file goes."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str] = field(factory=dict)
    body: Any = None
    upload: Path | None = None
    save: Path | None = None
    #: Whether what is saved goes to the end of the file.
    append: bool = False

    def keep(self, data: bytes) -> None:
        """Save it. Raises OSError."""
        if self.save is not None:
            with self.save.open("ab" if self.append else "wb") as file:
                file.write(data)


class Channel(Protocol):
    async def call(self, ask: Ask) -> dict[str, Any]:
        """The answer, empty where it was saved to a file. Raises Refusal."""
        ...

    async def close(self) -> None: ...


@define
class LocalChannel:
    """To the interface in this process."""

    api: Api

    async def call(self, ask: Ask) -> dict[str, Any]:
        try:
            answer = await self.api.call(Call(ask.method, ask.segments, ask.query, ask.body, ask.upload))
        except ServiceError as error:
            problem = error.problem("")
            del problem["request_id"]
            raise Refusal(problem) from None
        if isinstance(answer, Piece):
            ask.keep(answer.data)
            return {}
        if not isinstance(answer, Archive):
            return answer
        with answer as path:
            if ask.save is not None:
                shutil.copyfile(path, ask.save)
        return {}

    async def close(self) -> None:
        """Whoever made the interface closes it."""


class HttpChannel:
    """To a running service."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def call(self, ask: Ask) -> dict[str, Any]:
        path = "/".join(quote(segment, safe="~@:") for segment in ask.segments)
        headers, data = dict(self._headers), None
        if ask.upload is not None:
            data = ask.upload.read_bytes()
            headers["Content-Type"] = "application/x-tar"
        elif ask.body is not None:
            data = orjson.dumps(ask.body)
            headers["Content-Type"] = "application/json"
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        url = f"{self._url}/_meta/{path}"
        try:
            async with self._session.request(
                ask.method, url, params=ask.query, data=data, headers=headers, allow_redirects=False
            ) as response:
                return await self._answer(response, ask)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Refusal({"detail": f"No answer from {self._url}: {type(error).__name__}."}) from None

    async def _answer(self, response: aiohttp.ClientResponse, ask: Ask) -> dict[str, Any]:
        if response.status == 200 and ask.save is not None:
            ask.keep(await response.read())
            return {}
        document = _object(await response.read())
        if response.status != 200:
            raise Refusal(_with_hint(document, response.status))
        return document

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"detail": "This is not what a metaservice answers."}


def _with_hint(problem: dict[str, Any], status: int) -> dict[str, Any]:
    """What an operator can do about it, where the service can't say."""
    hint = {
        401: "The service wants the admin token: set LARS_ADMIN_TOKEN to the one that it was started with.",
        404: "If there should be such a page: was the service started with LARS_ADMIN_TOKEN?",
    }.get(status)
    detail = str(problem.get("detail", ""))
    unknown_page = status == 404 and "page" in detail
    return {**problem, "hint": hint} if hint and (status == 401 or unknown_page) else problem
