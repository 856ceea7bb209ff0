"""json-server's `db.json` as files of the documented layout: an object of arrays, one for each collection.

https://github.com/typicode/json-server: an array is a collection, an object a resource of which there is one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from server.cli.channel import Refusal

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def write_layout(source: Path, directory: Path) -> list[str]:
    """Write `<collection>.json` for each member; what to tell of members that are no collection.

    Raises Refusal, which names the member and the remedy, and OSError. Nothing is lost in silence.
    """
    notes = []
    for name, value in _read(source).items():
        if name.startswith("$"):
            notes.append(f"{name!r} is left out: it is of the file, and no collection.")
            continue
        if not _NAME.fullmatch(name):
            raise _refusal(
                source,
                f"{name[:80]!r} cannot be a collection: a letter, then up to 63 letters, digits, _ or -",
            )
        if isinstance(value, dict):
            _write_meta(directory, name, value)
        elif not isinstance(value, list):
            raise _refusal(source, f"{name!r} is neither an array of records nor an object")
        text = json.dumps([value] if isinstance(value, dict) else value, ensure_ascii=False)
        (directory / f"{name}.json").write_text(text, "utf-8", errors="surrogatepass")
    return notes


def _write_meta(directory: Path, name: str, value: dict[str, Any]) -> None:
    """That it is one object, as `store.layout` has it; its id is shown where it was given."""
    schemas = directory / ".schemas"
    schemas.mkdir(exist_ok=True)
    meta = {"single": "given" if "id" in value else "made"}
    (schemas / f"{name}.meta.json").write_text(json.dumps(meta), "utf-8")


def seed_in(source: Path) -> dict[str, Any]:
    """What a JSON file has, of whatever kind. Raises Refusal."""
    try:
        return {name: value for name, value in _read(source).items() if not name.startswith("$")}
    except OSError as error:
        raise _refusal(source, str(error.strerror)) from None


def _read(source: Path) -> dict[str, Any]:
    try:
        document = json.loads(source.read_text("utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _refusal(source, f"not JSON ({error})") from None
    if not isinstance(document, dict):
        raise _refusal(source, "not an object of arrays, one for each collection")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError where a key is there twice, of which one would be lost."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise ValueError(f"an object has the key {name[:64]!r} twice")
        seen.add(name)
    return dict(pairs)


def _refusal(source: Path, reason: str) -> Refusal:
    return Refusal({"detail": f"{source}: {reason}."})
