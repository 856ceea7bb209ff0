"""Which token has which sessions: both sides of the limit, on every engine, and what gives a place back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from server.record import places
from server.record.postgres import places as places_of_postgres
from server.record.postgres.engine import open_record
from store.change_set import ChangeSet
from tests.unit.server.record.rows import first, part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.record.postgres.engine import PostgresRecord
    from server.record.record import Engine, Record

TOKEN = "one"


@pytest.fixture
def counted(ledger: Record) -> Engine:
    return cast("Engine", ledger)


async def test_so_many_and_no_more(counted: Engine) -> None:
    """Those that have a place keep it, whoever asks; another token has places of its own."""
    assert [await counted.take_place(f"s{n}", TOKEN, 2) for n in range(4)] == [True, True, False, False]
    assert [await counted.take_place(f"s{n}", TOKEN, 2) for n in range(2)] == [True, True]
    assert await counted.take_place("s0", "other", 0)
    assert await counted.take_place("s2", "other", 1)
    assert await counted.places() == {"s0": TOKEN, "s1": TOKEN, "s2": "other"}


async def test_a_session_with_data_takes_its_place_whatever_the_limit(counted: Engine) -> None:
    """A limit that is new locks nobody out, but counts what there is."""
    await counted.commit([part("old", 0, first("x"))])
    assert await counted.take_place("waits", TOKEN, 0, has_data=True)
    assert await counted.take_place("old", TOKEN, 1)
    assert not await counted.take_place("new", TOKEN, 2)
    assert await counted.take_place("new", TOKEN, 3)


async def test_settings_alone_are_no_data(counted: Engine) -> None:
    await counted.change_settings("set", {"dialect": "native"})
    assert not await counted.take_place("set", TOKEN, 0)


async def test_a_session_that_is_removed_gives_its_place_back(counted: Engine) -> None:
    """Also one without data; one that is reset keeps it."""
    await counted.commit([part("full", 0, first("x"))])
    for name in ("full", "empty"):
        assert await counted.take_place(name, TOKEN, 2)
    await counted.reset("full")
    assert not await counted.take_place("new", TOKEN, 2)
    assert await counted.remove(["full", "empty"]) == ["full"]
    assert await counted.places() == {}


async def test_only_what_has_expired_gives_its_place_back(counted: Engine) -> None:
    for name in ("a", "b"):
        await counted.commit([part(name, 0, first("x"))])
        assert await counted.take_place(name, TOKEN, 2)
    assert await counted.remove(["a", "empty"], unused_since=0.0) == []
    assert len(await counted.places()) == 2
    assert await counted.remove(["a"], unused_since=2.0**40) == ["a"]
    assert await counted.places() == {"b": TOKEN}


async def test_one_without_data_that_nobody_asks_for_makes_room(
    counted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But none that has some, and not before somebody wants the place."""
    await counted.commit([part("full", 0, ChangeSet())])
    for name in ("full", "empty"):
        assert await counted.take_place(name, TOKEN, 2)
    for module in (places, places_of_postgres):
        monkeypatch.setattr(module, "EMPTY_SECONDS", 0.0)
    assert await counted.take_place("new", TOKEN, 2)
    assert await counted.places() == {"full": TOKEN, "new": TOKEN}


async def test_new_sessions_at_once_are_never_too_many(counted: Engine) -> None:
    found = await asyncio.gather(*(counted.take_place(f"s{n % 32}", TOKEN, 5) for n in range(64)))
    assert len(await counted.places()) == 5
    assert sum(found) == 10


@pytest.fixture
async def three(database: str) -> AsyncIterator[list[PostgresRecord]]:
    made = [await open_record(database) for _ in range(3)]
    yield made
    for each in made:
        await each.close()


async def test_nor_over_three_nodes(three: list[PostgresRecord]) -> None:
    found = await asyncio.gather(*(three[n % 3].take_place(f"s{n}", TOKEN, 7) for n in range(64)))
    assert sum(found) == 7
    assert len(await three[0].places()) == 7
