"""What takes time in proportion to what clients send or have stored is done beside the event loop."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from server.concurrency.aside import INLINE_BYTES, aside, prepare_process
from server.http import handler, semantics
from server.requests import content
from tests.fakes import FakeExecutor, completed
from tests.http.client import ask

if TYPE_CHECKING:
    from types import ModuleType

    from tests.http.conftest import Start

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def threads_of(name: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each call of a function of the module: whether it was made by the event loop's thread."""
    real, calls = getattr(module, name), []

    def noted(*arguments: Any, **named: Any) -> Any:
        calls.append(threading.current_thread() is threading.main_thread())
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, noted)
    return calls


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("headers", [JSON, FORM])
@pytest.mark.parametrize("fault", [False, True])
async def test_bodies(
    headers: dict[str, str],
    fault: bool,
    more: int,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both sides of the size, whether they can be read or not; the answer is the same."""
    calls = threads_of("parse_content", content, monkeypatch)
    service = await start()
    form, end = headers is FORM, b"%zz" if headers is FORM else b'","a":1}'
    begin, end = (b"a=" if form else b'{"a":"'), end if fault else (b"" if form else b'"}')
    body = begin + b"x" * (INLINE_BYTES + more - len(begin) - len(end)) + end
    answer = await ask(service.address, "POST", "/members", headers, body)

    assert answer.status == (400 if fault else 200)
    assert calls == [more == 0]


async def test_tables(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = threads_of("_as_table", semantics, monkeypatch)
    service = await start(executor=FakeExecutor(lambda job: completed([{"n": "x" * 100}] * 1_000)))
    answer = await ask(service.address, "GET", "/m", {"Accept": "text/csv"})

    assert answer.status == 200
    assert calls == [False]


@pytest.mark.parametrize(("characters", "on_loop"), [(1_000, True), (2_000_000, False)])
async def test_digests(characters: int, on_loop: bool, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag that If-None-Match is compared with is a digest of the reply."""
    calls = threads_of("conditional", handler, monkeypatch)
    service = await start(executor=FakeExecutor(lambda job: completed("x" * characters)))
    first = await ask(service.address, "GET", "/m")
    again = await ask(service.address, "GET", "/m", {"If-None-Match": first.headers["etag"]})

    assert (first.status, again.status) == (200, 304)
    assert calls == [on_loop, on_loop]


async def test_one_at_a_time_and_without_the_search_for_cycles() -> None:
    """The search goes on afterwards, also when the work has failed."""
    seen: list[tuple[str, bool]] = []

    def work() -> None:
        seen.append((threading.current_thread().name, gc.isenabled()))
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await aside(work)

    assert len({name for name, _ in seen}) == 1
    assert not any(searching for _, searching in seen)
    assert gc.isenabled()


def test_what_the_process_is_told_at_its_start() -> None:
    """The search through everything is rare and leaves out what is there; the loop's turn comes sooner."""
    before, frozen, interval = gc.get_threshold(), gc.get_freeze_count(), sys.getswitchinterval()
    try:
        prepare_process()
        assert sys.getswitchinterval() < interval
        assert gc.get_threshold() == (*before[:2], before[2] * 100)
        assert gc.get_freeze_count() > frozen
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()
        gc.set_threshold(*before)
