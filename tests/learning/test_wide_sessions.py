"""What the event loop does for a request does not grow with the session that the request is for.

Counted is work, not time: Python's calls on the thread of the event loop, those of the client included, which
are the same each time. Whatever else runs at the same time adds some, so the least of a few tries counts.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tarfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.learning.conftest import start
from tests.operations.conftest import ADMIN, AUTH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from tests.learning.conftest import Answer, Api, StartApi

__all__ = ["start"]

FIELDS = 50
TRIES = 4
#: Of one request and its client, in whatever session; a check of one program is 40,000 and more.
MOST_CALLS = 12_000
#: Of one step of the loop.
MOST_STEP_CALLS = 3_000
DIALECTS = ("json-server", "postgrest", "json-api", "pocketbase")


def archive(collections: int, fields: int = FIELDS) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(collections):
            record = {"id": 1, **{f"field_{number}_{each}": each for each in range(fields)}}
            data = json.dumps([record]).encode()
            entry = tarfile.TarInfo(f"col_{number}.json")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    file.seek(0)
    return file


async def calls_of(work: Callable[[], Awaitable[Answer]]) -> tuple[int, int]:
    """How many calls the loop's thread has made meanwhile; and the answer's status."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    await asyncio.sleep(0)
    sys.setprofile(note)
    try:
        answer = await work()
    finally:
        sys.setprofile(None)
    return count, answer.status


async def least_calls(work: Callable[[], Awaitable[Answer]]) -> tuple[int, int]:
    return min([await calls_of(work) for _ in range(TRIES)])


ASKED: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "a list": ("GET", "/col_3", None, {}),
    "a filter": ("GET", "/col_3?field_3_1=1", None, {}),
    "a field that there is not": ("GET", "/col_3?sort=field_3_x", None, {}),
    "a collection that there is not": ("GET", "/colls_3", None, {}),
    "below a record": ("GET", "/col_3/1/col_4", None, {}),
    "a record that is made": ("POST", "/col_3", {"a": 1}, {}),
    "a word that is none": ("POST", "/col_3/1/cancel", {}, {}),
    "explained": ("POST", "/_meta/explain", {"session": "", "method": "GET", "path": "/col_3/1"}, AUTH),
} | {
    f"{name}: {what}": (method, path, body, {"X-Dialect": name})
    for name in DIALECTS
    for what, method, path, body in (
        ("a list", "GET", "/col_3", None),
        ("a field that there is not", "GET", "/col_3?field_3_x=1", None),
        ("a record that is made", "POST", "/col_3", {"a": 1}),
    )
}


@pytest.fixture
async def api(start: StartApi) -> Api:
    api = await start((), auth={"admin_token": ADMIN}, provider="conventions")
    for session, size in (("narrow", 10), ("wide", 900)):
        headers = {**AUTH, "Content-Type": "application/x-tar"}
        answer = await api.raw("PUT", f"/_meta/sessions/{session}/import", archive(size), headers)
        assert answer.status == 200, answer
    return api


async def test_a_request_to_a_wide_session_costs_the_loop_what_any_other_does(api: Api) -> None:
    """As many calls with 900 collections as with 10; natively, in dialects, and where words are wrong."""
    for what, (method, path, body, headers) in ASKED.items():
        counted = {}
        for session in ("narrow", "wide"):
            sent = {**body, "session": session} if what == "explained" else body
            counted[session] = await least_calls(
                partial(api.ask, method, path, sent, session=session, **headers)
            )
        (narrow, status), (wide, same) = counted.values()
        assert status == same, what
        assert wide <= narrow * 1.25 + 100, (what, counted)


async def test_operators_look_at_a_wide_session_beside_the_loop(api: Api) -> None:
    """Less than one call for each of its collections: what is read on the way grows with it, and no more."""
    narrow, wide = [
        (await least_calls(partial(api.ask, "GET", f"/_meta/sessions/{session}", **AUTH)))[0]
        for session in ("narrow", "wide")
    ]
    assert wide - narrow < 890, (narrow, wide)


async def test_the_first_request_of_a_kind_is_checked_beside_the_loop(api: Api) -> None:
    """The policy walks a whole program; the loop serves others meanwhile. No collection has it done again."""
    for name in DIALECTS:
        first = await calls_of(
            lambda name=name: api.ask("POST", "/col_5", {"a": 1}, session="wide", X_Dialect=name)
        )
        other = await calls_of(
            lambda name=name: api.ask("POST", "/col_6", {"a": 1}, session="wide", X_Dialect=name)
        )
        assert first[0] < MOST_CALLS, (name, first)
        assert other[0] < MOST_CALLS, (name, other)


async def longest_step(work: Callable[[], Awaitable[Answer]]) -> tuple[int, int]:
    """The most calls that the loop has made in one go, without a look at what else there is; the status."""
    most = count = 0
    step = asyncio.Handle._run.__code__

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal most, count
        if event == "call" and frame.f_code is step:
            count = 0
        count += event in {"call", "c_call"}
        most = max(most, count)

    sys.setprofile(note)
    try:
        answer = await work()
    finally:
        sys.setprofile(None)
    return most, answer.status


@pytest.mark.parametrize("dialect", ["native", "postgrest"])
async def test_a_project_is_ejected_beside_the_loop(start: StartApi, dialect: str) -> None:
    """What is written, unpacked, checked and thrown away is done elsewhere; the loop asks and waits."""
    api = await start((), auth={"admin_token": ADMIN}, provider="conventions")
    headers = {**AUTH, "Content-Type": "application/x-tar"}
    assert (await api.raw("PUT", "/_meta/sessions/s1/import", archive(6, fields=5), headers)).status == 200
    await api.ask("PATCH", "/_meta/sessions/s1/settings", {"dialect": dialect}, **AUTH)
    page = "/_meta/sessions/s1/app?data=true"
    steps, status = await longest_step(partial(api.ask, "GET", page, **AUTH))
    assert status == 200
    assert steps < MOST_STEP_CALLS
