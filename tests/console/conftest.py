"""A service with a console, and a browser's part in it: its cookie, its forms and their tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from attrs import define

from tests.learning.conftest import start
from tests.operations.conftest import ADMIN, operate, operator

if TYPE_CHECKING:
    from tests.answer import Answer
    from tests.learning.conftest import Api
    from tests.operations.conftest import Operator

__all__ = ["operate", "operator", "start"]

BASE = "/_meta/console"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@define
class Browser:
    """One that is logged in, or not yet: `cookie` is empty then."""

    operator: Operator
    cookie: str = ""
    csrf: str = ""

    @property
    def api(self) -> Api:
        return self.operator.api

    async def get(self, path: str, **headers: str) -> Answer:
        answer = await self._ask("GET", path, None, headers)
        found = _CSRF.search(answer.body.decode("utf-8", "replace"))
        self.csrf = found[1] if found else self.csrf
        return answer

    async def post(self, path: str, headers: dict[str, str] | None = None, /, **fields: str) -> Answer:
        """As a form; with the login's token unless `csrf` is given."""
        data = urlencode({"csrf": self.csrf, **fields}).encode()
        return await self._ask("POST", path, data, {**FORM, **(headers or {})})

    async def put(self, path: str, data: bytes, **headers: str) -> Answer:
        return await self._ask("PUT", path, data, {"X-CSRF-Token": self.csrf, **headers})

    async def log_in(self, token: str = ADMIN) -> Answer:
        answer = await self.post("/login", token=token)
        if answer.status == 303:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
            await self.get("/sessions")
        return answer

    async def _ask(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        sent = {"Cookie": self.cookie, **headers} if self.cookie else headers
        return await self.api.raw(method, BASE + path, data, sent)


def at(*segments: str) -> str:
    """A path below the console."""
    return "".join(f"/{quote(each, safe='')}" for each in segments)


@pytest.fixture
async def browser(operator: Operator) -> Browser:
    """Logged in at a service whose session s1 has learned to create members and to get one, and has one."""
    made = Browser(operator)
    assert (await made.log_in()).status == 303
    return made
