from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.session_store import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opened = Session.open(str(tmp_path), page_limit_bytes=2**24, durability="cache")
    yield opened
    opened.close()
