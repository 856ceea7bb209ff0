"""The pages that show a session's API in a browser, with all that they need; nothing comes from elsewhere.

Swagger UI and ReDoc are files of an installed package, of which no Python is run. Files are served under
names with a digest of their content, so that a browser may keep them for ever.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = "fastapi-offline"
_PACKAGE_FILES = "fastapi_offline/static"
_PACKAGED = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js")
_OWN = ("page.js", "page.css")
_PAGES = ("docs", "redoc")
_START = "start.html"
_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_HTML = "text/html; charset=utf-8"

#: ReDoc's footer has a picture from its makers' site.
_FOREIGN_PICTURE = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_PICTURE = b"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"

#: Both set styles by script, and Swagger UI has pictures in its style sheet. ReDoc searches in a worker.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@frozen
class File:
    """What is served at one path. `digest` is of the content, in hex."""

    content: bytes
    media_type: str
    digest: str
    is_page: bool


@cache
def all_files() -> Mapping[str, File]:
    """Every file by its path, pages included. It reads some 3 MB: not for the event loop."""
    served: dict[str, File] = {}
    #: What stands for a name in braces: a file's path; the first steps, which both pages have, themselves.
    names = {_START: _own(_START).decode()}
    for name in (*_PACKAGED, *_OWN):
        content = _packaged(name) if name in _PACKAGED else _own(name)
        stem, _, suffix = name.rpartition(".")
        digest = _digest(content)
        names[name] = f"/docs/{stem}.{digest[:16]}.{suffix}"
        served[names[name]] = File(content, _TYPES[suffix], digest, is_page=False)
    for page in _PAGES:
        text = re.sub(r"\{([a-z.-]+)\}", lambda match: names[match[1]], _own(f"{page}.html").decode())
        content = text.encode()
        served[f"/{page}"] = File(content, _HTML, _digest(content), is_page=True)
    return served


def _packaged(name: str) -> bytes:
    """Raises PackageNotFoundError and OSError, which mean a broken installation."""
    path = metadata.distribution(_PACKAGE).locate_file(f"{_PACKAGE_FILES}/{name}")
    with open(str(path), "rb") as file:  # noqa: PTH123 - importlib's path type has no read_bytes
        return file.read().replace(_FOREIGN_PICTURE, _NO_PICTURE)


def _own(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
