from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from store.session_store import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def opened(directory: Path) -> Iterator[Session]:
    session = Session.open(str(directory), page_limit_bytes=2**24, durability="cache")
    yield session
    session.close()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with opened(tmp_path) as session:
        yield session


@pytest.fixture
def copied(filled: Path, tmp_path: Path) -> Iterator[Session]:
    """The session that a module's `filled` has made once, for one test alone."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path) as session:
        yield session
