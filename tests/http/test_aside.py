"""What takes time in proportion to what clients send or have stored is done beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from time import thread_time
from typing import TYPE_CHECKING, Any

import pytest

from server.concurrency.aside import INLINE_BYTES, FairThread, aside, prepare_process
from server.contracts import contract
from server.http import answering, semantics
from server.requests import content, multipart
from tests.fakes import FakeExecutor, completed
from tests.http.client import ask

if TYPE_CHECKING:
    from pathlib import Path
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


@pytest.mark.parametrize("more", [0, 1])
async def test_json_that_is_called_text(more: int, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at for a hint alone takes as long as what is read."""
    calls = threads_of("explained", content, monkeypatch)
    service = await start()
    body = b'{"a":"' + b"x" * (INLINE_BYTES + more - 8) + b'"}'
    answer = await ask(service.address, "POST", "/members", {"Content-Type": "text/plain"}, body)

    assert answer.status == 415
    assert "It is JSON, though." in answer.json["detail"]
    assert calls == [more == 0]


async def test_tables(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = threads_of("_as_table", semantics, monkeypatch)
    service = await start(executor=FakeExecutor(lambda job: completed([{"n": "x" * 100}] * 1_000)))
    answer = await ask(service.address, "GET", "/m", {"Accept": "text/csv"})

    assert answer.status == 200
    assert calls == [False]


def xml_document(schema: dict[str, Any], method: str) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}, "application/xml": {"schema": schema}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/m": {method: {"responses": {"200": {"description": "all", "content": content}}}}},
    }


@pytest.mark.parametrize(("records", "on_loop"), [(10, True), (1_000, False)])
async def test_xml_of_a_contract(
    records: int, on_loop: bool, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What an operation declares beside JSON is made of the reply, element by element."""
    schema = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}}}}
    file = tmp_path / "api.json"
    file.write_text(json.dumps(xml_document(schema, "get")))
    calls = threads_of("xml_of", contract, monkeypatch)
    replies = FakeExecutor(lambda job: completed([{"n": "x" * 100}] * records))
    service = await start({"contract": {"file": str(file)}}, executor=replies)
    answer = await ask(service.address, "GET", "/m", {"Accept": "application/xml"})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.body.count(b"<n>") == records
    assert calls == [on_loop]


@pytest.mark.parametrize(("method", "status"), [("GET", 422), ("POST", 200)])
async def test_xml_of_long_names(method: str, status: int, start: Start, tmp_path: Path) -> None:
    """A client's name stands around each item. What has been written is told in JSON then."""
    file = tmp_path / "api.json"
    file.write_text(json.dumps(xml_document({"type": "object"}, method.lower())))
    replies = FakeExecutor(lambda job: completed({"x" * 128: [1] * 10_000}))
    service = await start({"contract": {"file": str(file)}}, executor=replies)
    answer = await ask(service.address, method, "/m", {"Accept": "application/xml"})

    assert answer.status == status
    assert len(answer.body) < 30_000
    assert ("As XML" in answer.json.get("detail", "")) == (method == "GET")


@pytest.mark.parametrize(("characters", "on_loop"), [(1_000, True), (2_000_000, False)])
async def test_digests(characters: int, on_loop: bool, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag that If-None-Match is compared with is a digest of the reply."""
    calls = threads_of("conditional", answering, monkeypatch)
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
            await aside(work, "session")

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


def form(parts: int) -> bytes:
    one = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    return one * parts + b"--b--\r\n"


@pytest.mark.parametrize(("parts", "on_loop"), [(30, True), (200, False)])
async def test_forms_with_parts(
    parts: int, on_loop: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form of many parts takes longer than other bodies of its size."""
    calls = threads_of("read_content", multipart, monkeypatch)
    service = await start()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await ask(service.address, "POST", "/members", headers, form(parts))

    assert answer.status == 200
    assert calls == [on_loop]


async def test_who_has_used_much_waits() -> None:
    """One session's pieces that take long wait for another's that comes later and takes little."""
    thread, order, go = FairThread(), [], threading.Event()

    def slow() -> None:
        spent = thread_time() + 0.02
        while thread_time() < spent:
            pass
        order.append("slow")

    first = thread.add("slow", lambda: (go.wait(10), slow()))
    more = [thread.add("slow", slow) for _ in range(3)]
    others = [thread.add("quick", lambda: order.append("quick")) for _ in range(3)]
    go.set()
    await asyncio.gather(*map(asyncio.wrap_future, [first, *more, *others]))

    assert order == ["slow", *["quick"] * 3, *["slow"] * 3]


async def test_what_nobody_waits_for_is_not_done() -> None:
    thread, done, go = FairThread(), [], threading.Event()
    first = thread.add("a", lambda: go.wait(10))
    left = thread.add("b", lambda: done.append("left"))
    last = thread.add("a", lambda: done.append("stays"))
    left.cancel()
    go.set()
    await asyncio.wrap_future(last)

    assert first.result()
    assert done == ["stays"]
