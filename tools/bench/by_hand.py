"""The two hand-written services as contestants."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools.bench.contestant import Contestant, Launch

if TYPE_CHECKING:
    from pathlib import Path


def aiohttp() -> Contestant:
    return _by_hand("aiohttp", "aiohttp_api")


def tuned_aiohttp() -> Contestant:
    """With uvloop and orjson, as ours has them."""
    return _by_hand("aiohttp tuned", "aiohttp_api", "tuned")


def fastapi() -> Contestant:
    return _by_hand("fastapi", "fastapi_api")


def _by_hand(name: str, module: str, *arguments: str) -> Contestant:
    command = (sys.executable, "-m", f"tools.bench.contestants.{module}")

    def launch(scratch: Path, port: int) -> Launch:
        return Launch((*command, str(port), str(scratch / "members.db"), *arguments), {})

    return Contestant(name, launch)
