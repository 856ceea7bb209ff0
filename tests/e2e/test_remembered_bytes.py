"""What remembered replies take in memory is what is counted of them: the setting bounds the process."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.inprocess import serving
from tests.http.client import Wire

if TYPE_CHECKING:
    from pathlib import Path

#: Records of a session, and replies before anything is measured: what is made once is made then.
_RECORDS, _BEFORE, _REPLIES = 12, 60, 480


@pytest.mark.usefixtures("guest_artifact")
@pytest.mark.parametrize("targets", [1, _RECORDS])
async def test_what_is_taken_is_what_is_counted(tmp_path: Path, targets: int) -> None:
    """No more than is counted, and half of that at least: for sessions with one reply, and with several."""
    async with serving(tmp_path, {}, workers=1) as served:
        door: Any = served.service._raw_door
        counts = door._memory.counts
        sessions = [f"s{number}" for number in range((_BEFORE + _REPLIES) // targets)]
        body = orjson.dumps([{"name": f"n{number}", "n": number} for number in range(targets)])
        for session in sessions:
            assert (await served.ask("POST", "/things", session, body)).status == 201
        requests = [
            f"GET /things/{number} HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: {session}\r\n\r\n".encode()
            for session in sessions
            for number in range(1, targets + 1)
        ]
        async with await Wire.to(served.service.address) as wire:
            await _asked(wire, requests[:_BEFORE])
            tracemalloc.start()
            try:
                before, counted = _traced(), counts.bytes
                await _asked(wire, requests[_BEFORE:])
                taken, counted = _traced() - before, counts.bytes - counted
            finally:
                tracemalloc.stop()

    assert counts.kept == len(requests)
    assert taken <= counted <= 2 * taken, (taken // _REPLIES, counted // _REPLIES)


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _asked(wire: Wire, requests: list[bytes]) -> None:
    for request in requests:
        await wire.send(request)
        assert (await wire.answer()).status == 200
