"""Which machine, and which versions: figures without these mean nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("aiohttp", "fastapi", "uvicorn", "uvloop", "wasmtime", "componentize-py")


def describe(cores: list[int], generator: str) -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores used": f"{len(cores)} of {os.cpu_count()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite by hand": sqlite3.sqlite_version,
        "load": generator,
        "busy before": f"{os.getloadavg()[0]:.1f} (load of the last minute)",
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
