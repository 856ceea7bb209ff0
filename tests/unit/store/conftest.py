"""A session in a directory of its own, with a request under way that may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.session_store import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.resource_store import ResourceStore
    from store.sqlite import Durability

LIMIT_BYTES = 64 * 1024 * 1024


def open_session(
    directory: Path, *, page_limit_bytes: int = LIMIT_BYTES, durability: Durability = "cache"
) -> Session:
    return Session.open(str(directory), page_limit_bytes=page_limit_bytes, durability=durability)


def case_name(value: object) -> str:
    """Plain ASCII, and short; integers of thousands of digits have no text."""
    try:
        return ascii(value)[:40]
    except ValueError:
        return "huge"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = open_session(tmp_path)
    session.begin(read_only=False)
    yield session
    session.close()


@pytest.fixture
def store(session: Session) -> ResourceStore:
    return session.plan_view["things"]
