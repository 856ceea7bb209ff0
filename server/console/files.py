"""The console's own files, and others' that it serves: none of their Python is run, nobody else is asked.

htmx comes with an installed package. uPlot 1.6.32 is in `static/uplot` as its makers publish it, with its
licence.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE: Final = "/_meta/console"
_HTMX: Final = ("django-js-lib-htmx", "js_lib_htmx/static/htmx/htmx.min.js")
_TYPES: Final = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@frozen
class File:
    content: bytes
    media_type: str


@cache
def all_files() -> Mapping[str, File]:
    """Every file by its name, which has a digest of its content: a browser keeps it for ever."""
    return {name_of(name): File(content, _TYPES[name.rpartition(".")[2]]) for name, content in _raw().items()}


def name_of(name: str) -> str:
    """The name with its content's digest: `console.css` is `console.0123456789abcdef.css`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(_raw()[name]).hexdigest()[:16]}.{suffix}"


def path_of(name: str) -> str:
    return f"{BASE}/static/{name_of(name)}"


@cache
def _raw() -> Mapping[str, bytes]:
    own = files(__package__) / "static"
    package, path = _HTMX
    htmx = metadata.distribution(package).locate_file(path)
    with open(str(htmx), "rb") as file:  # noqa: PTH123 - importlib's path type has no read_bytes
        script = file.read()
    return {
        "htmx.js": script,
        "console.js": (own / "console.js").read_bytes(),
        "console.css": (own / "console.css").read_bytes(),
        "charts.js": (own / "charts.js").read_bytes(),
        "uplot.js": (own / "uplot" / "uPlot.iife.min.js").read_bytes(),
        "uplot.css": (own / "uplot" / "uPlot.min.css").read_bytes(),
    }
