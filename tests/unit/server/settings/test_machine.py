"""What the machine leaves to the service, by files as the kernel writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server.settings import machine

if TYPE_CHECKING:
    from pathlib import Path

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("own", "limits", "left"),
    [
        ("0::/a/b\n", {"a/b": "max\n", "a": "4096\n", "": "8192\n"}, 4096),
        ("0::/a/b\n", {"a/b": "1024\n", "a": "4096\n"}, 1024),
        ("0::/\n", {"": "2048\n"}, 2048),
        ("0::/../elsewhere\n", {"": "2048\n"}, 2048),
        ("5:memory:/x\n0::/a\n", {"a": "512\n"}, 512),
        ("0::/a\n", {"a": "max\n"}, PHYSICAL),
        ("0::/a\n", {"a": "nonsense\n"}, PHYSICAL),
        ("0::/gone\n", {}, PHYSICAL),
        ("0::/a\n", {"a": f"{2**63 - 1}\n"}, PHYSICAL),
        (None, {"": "512\n"}, PHYSICAL),
    ],
)
def test_memory(own: str | None, limits: dict[str, str], left: int, tmp_path: Path) -> None:
    """The least of what the cgroups from its own upwards say, and of what there is."""
    groups = tmp_path / "cgroup"
    groups.mkdir()
    for path, limit in limits.items():
        (groups / path).mkdir(parents=True, exist_ok=True)
        (groups / path / "memory.max").write_text(limit)
    if own is not None:
        (tmp_path / "self").write_text(own)

    assert machine.memory_bytes(groups, tmp_path / "self") == left


def test_here() -> None:
    """Of this machine, whatever it is."""
    assert 0 < machine.memory_bytes() <= PHYSICAL
    assert machine.cores() >= 1
