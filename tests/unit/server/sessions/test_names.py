"""Which session is in which directory is known later, and noting it costs no request anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.sessions import names as names_module
from server.sessions.identity import session_for
from server.sessions.names import FILE_NAME, SessionNames

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOUR = session_for("tour", None, "reject")
TOKEN = session_for(None, "ci", "reject")


async def test_names_outlive_the_service(tmp_path: Path) -> None:
    """What was noted is known to the next service; what was forgotten is not."""
    first = SessionNames(tmp_path)
    for session in (TOUR, TOKEN, TOUR):
        first.note(session)
    await first.close()
    second = SessionNames(tmp_path)
    known = await second.all()
    await second.forget(TOUR)
    left = await second.all()
    await second.close()

    assert known == {TOUR.directory: "tour", TOKEN.directory: "token:ci"}
    assert left == {TOKEN.directory: "token:ci"}
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_a_forgotten_session_is_noted_again(tmp_path: Path) -> None:
    """Forgetting is not for ever: a session that is asked for again has its name again."""
    names = SessionNames(tmp_path)
    names.note(TOUR)
    await names.forget(TOUR)
    names.note(TOUR)

    assert await names.all() == {TOUR.directory: "tour"}
    await names.close()


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the limit are in memory and no more; all are in the file."""
    monkeypatch.setattr(names_module, "_MAX_RECENT", 3)
    names = SessionNames(tmp_path)
    for number in range(3):
        names.note(session_for(f"s{number}", None, "reject"))
    at_the_limit = len(names._recent)
    names.note(TOUR)

    assert (at_the_limit, len(names._recent)) == (3, 3)
    assert len(await names.all()) == 4
    await names.close()


async def test_a_file_that_cannot_be_used_costs_nothing(tmp_path: Path) -> None:
    """Names are then not known; nothing is raised."""
    (tmp_path / FILE_NAME).write_bytes(b"no database at all, but long enough to be taken for one")
    names = SessionNames(tmp_path)
    names.note(TOUR)
    await names.forget(TOUR)

    assert await names.all() == {}
    await names.close()
    await names.close()
    names.note(TOUR)
