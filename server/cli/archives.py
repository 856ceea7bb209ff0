"""Tar files that the service sends, and where they are unpacked."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def holds_anything(target: Path) -> bool:
    """Whether something would be overwritten, or in the way."""
    return target.exists() and (not target.is_dir() or any(target.iterdir()))
