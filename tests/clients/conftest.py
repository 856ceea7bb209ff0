"""Clients that live on Node: installed once, in the versions of package.json, where git does not look."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen

from tests.e2e.conftest import start_service

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["start_service"]

HERE: Final = Path(__file__).parent
_CACHE: Final = HERE.parents[1] / ".cache" / "clients"
_PACKAGES: Final = "package.json"
_SECONDS: Final = 300


@frozen
class Node:
    """Runs programs of the installed packages in a directory that finds them."""

    directory: Path

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """What it printed; it must succeed. A name of a package's program is looked for among them."""
        program = _CACHE / "node_modules" / ".bin" / command[0]
        done = subprocess.run(
            [str(program) if program.exists() else command[0], *command[1:]],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages, as package.json names them; without a file that says where they came from."""
    assert shutil.which("npm"), "install Node 20 and npm: apt-get install nodejs npm"
    wanted = (HERE / _PACKAGES).read_text("utf-8")
    installed = _CACHE / _PACKAGES
    if not installed.exists() or installed.read_text("utf-8") != wanted:
        shutil.rmtree(_CACHE, ignore_errors=True)
        _CACHE.mkdir(parents=True)
        fresh = _CACHE / "fresh" / _PACKAGES
        fresh.parent.mkdir()
        fresh.write_text(wanted)
        install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=fresh.parent, check=True, timeout=_SECONDS)
        (fresh.parent / "node_modules").rename(_CACHE / "node_modules")
        shutil.rmtree(fresh.parent)
        installed.write_text(wanted)
    return _CACHE / "node_modules"


@pytest.fixture
def node(packages: Path, tmp_path: Path) -> Node:
    directory = tmp_path / "node"
    directory.mkdir()
    (directory / "node_modules").symlink_to(packages)
    (directory / _PACKAGES).write_text('{"type": "module"}')
    return Node(directory)
