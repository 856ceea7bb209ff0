"""Settings of single sessions are the record's, and a request waits for them once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from server.record.client import KeeperClient, KeeperConfig
from server.sessions import settings as settings_module
from server.sessions.settings import NONE, OLD_DIALECTS, SessionSettings
from server.values.errors import Unavailable, Unprocessable

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_is_set_is_known_at_once_and_outlives_the_service(keeper: KeeperClient) -> None:
    settings = SessionSettings(keeper)
    assert settings.known("a") is None
    assert await settings.of("a") is NONE
    assert settings.known("a") is NONE
    assert await settings.change("a", {"dialect": "x", "seed": 1}) == {"dialect": "x", "seed": 1}
    assert settings.known("a") == {"dialect": "x", "seed": 1}
    assert await settings.change("a", {"seed": None}) == {"dialect": "x"}
    assert await SessionSettings(keeper).of("a") == {"dialect": "x"}


async def test_of_two_who_settle_it_the_first_one_does(keeper: KeeperClient) -> None:
    settings = SessionSettings(keeper)
    unset = {"dialect": None}
    one, two = await asyncio.gather(
        settings.change("a", {"dialect": "x"}, expected=unset),
        settings.change("a", {"dialect": "y"}, expected=unset),
    )
    assert one == two == {"dialect": "x"}


async def test_an_answer_from_before_a_change_is_not_kept(keeper: KeeperClient) -> None:
    """Whoever asks while it is changed may get either; whoever asks afterwards gets what was set."""
    settings = SessionSettings(keeper)
    for number in range(50):
        early = asyncio.create_task(settings.of("a"))
        await asyncio.sleep(0)
        changed = await settings.change("a", {"n": number})
        await early
        assert changed == settings.known("a") == {"n": number}
        settings.forget(["a"])


async def test_many_who_wait_ask_once(keeper: KeeperClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    call = keeper.call

    async def counting(what: str, **arguments: Any) -> Any:
        asked.append(what)
        return await call(what, **arguments)

    monkeypatch.setattr(keeper, "call", counting)
    settings = SessionSettings(keeper)
    one = asyncio.create_task(settings.of("a"))
    others = asyncio.gather(*(settings.of("a") for _ in range(9)))
    await asyncio.sleep(0)
    one.cancel()
    assert await others == [NONE] * 9
    assert asked == ["settings"]


async def test_what_is_remembered_is_bounded(keeper: KeeperClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "_MOST_KNOWN", 2)
    settings = SessionSettings(keeper)
    for name in ("a", "b"):
        await settings.of(name)
    settings.known("a")
    await settings.of("c")
    assert [settings.known(name) for name in ("a", "b", "c")] == [NONE, None, NONE]


async def test_what_is_refused_changes_nothing(keeper: KeeperClient) -> None:
    settings = SessionSettings(keeper)
    await settings.change("a", {"dialect": "x"})
    with pytest.raises(Unprocessable, match="settings would take more than"):
        await settings.change("a", {"long": "x" * 70_000})
    assert await settings.of("a") == {"dialect": "x"}


async def test_without_a_record_nobody_is_told_that_there_are_none(tmp_path: Path) -> None:
    keeper = KeeperClient(KeeperConfig(tmp_path))
    await keeper.start()
    await keeper.close()
    keeper._ready.set()  # nobody waits for one that is closed
    settings = SessionSettings(keeper)
    with pytest.raises(Unavailable):
        await settings.of("a")
    assert settings.known("a") is None


async def test_a_session_begins_with_its_templates(tmp_path: Path) -> None:
    """Before it is there, too; what was set for it alone wins, and a change of the template is seen."""
    keeper = KeeperClient(KeeperConfig(tmp_path, template="t"))
    await keeper.start()
    settings = SessionSettings(keeper)
    assert await settings.of("a") is NONE
    await settings.change("t", {"dialect": "x", "seed": 1})
    assert await settings.of("a") == {"dialect": "x", "seed": 1}
    assert await settings.change("a", {"dialect": "own"}) == {"dialect": "own", "seed": 1}
    await keeper.close()


async def test_what_expires_takes_its_settings_with_it(tmp_path: Path) -> None:
    keeper = KeeperClient(KeeperConfig(tmp_path, expire_seconds=0.1))
    await keeper.start()
    settings = SessionSettings(keeper)
    await settings.change("a", {"dialect": "x"})
    while await keeper.call("tidy") != ["a"]:
        await asyncio.sleep(0.05)
    assert settings.known("a") is None
    assert await settings.of("a") is NONE
    await keeper.close()


async def test_dialects_of_an_earlier_release_are_taken_over(keeper: KeeperClient, tmp_path: Path) -> None:
    """Once, and not where another was set since; a file that is none costs nothing."""
    with closing(sqlite3.connect(tmp_path / OLD_DIALECTS)) as file, file:
        file.execute("CREATE TABLE dialects (directory TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT")
        file.executemany("INSERT INTO dialects VALUES (?, ?)", [("a", "json-server"), ("b", "postgrest")])
    settings = SessionSettings(keeper)
    await settings.change("b", {"dialect": "native"})
    await settings.adopt(tmp_path)
    await settings.adopt(tmp_path)
    assert await settings.of("a") == {"dialect": "json-server"}
    assert await settings.of("b") == {"dialect": "native"}
    assert not (tmp_path / OLD_DIALECTS).exists()
    assert (tmp_path / f"{OLD_DIALECTS}.adopted").exists()

    (tmp_path / OLD_DIALECTS).write_bytes(b"no database")
    await settings.adopt(tmp_path)
    assert (tmp_path / OLD_DIALECTS).exists()
