"""The documented layout of a session: JSON files, for people and for moving data.

For each collection three files, UTF-8, with a newline at the end of each:

- `<collection>.json`: an array, one record a line, indented by two spaces; `[]` when it is empty. Records
  are in the store's own order, each with `, ` and `: ` between its parts.
- `.schemas/<collection>.json`: an object, one member a line, indented by two spaces: `fields` (sorted names),
  `example` (the newest record, null where there is none) and `updated_at` (UTC, ISO 8601: when the fields
  last changed).
- `.schemas/<collection>.meta.json`: likewise, with `auto_id`, the id the next record will get. Where the
  collection holds one object (`/settings`) also `single`: whether its id was `made` or `given`.

Importing needs only the first of the three. The types of fields are learned from the records again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from store import records
from store.errors import StoreError
from store.singleton import SINGLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.session_store import Session
    from store.singleton import Single

SCHEMAS = ".schemas"
#: Letters of a file's name in a message.
_SHOWN = 80


class LayoutError(Exception):
    """Files that are not in the documented layout; the message names the file."""


def export_session(session: Session, directory: Path) -> list[str]:
    """Write all collections below `directory`; their names. Raises StoreDamaged, OSError."""
    (directory / SCHEMAS).mkdir(parents=True, exist_ok=True)
    names = session.plan_view.collections()
    for name in names:
        _export_collection(session, name, directory)
    return names


def _export_collection(session: Session, name: str, directory: Path) -> None:
    table = session.table(name)
    schema = session.plan_view[name].schema()
    newest = table.newest_document()
    described = {
        "fields": sorted(schema["fields"]),
        "example": None if newest is None else records.decode(newest),
        "updated_at": schema["updated_at"],
    }
    meta = {"auto_id": table.next_id()} | ({"single": schema["single"]} if "single" in schema else {})
    with (directory / f"{name}.json").open("w", encoding="utf-8") as file:
        file.writelines(_array_lines(table.documents()))
    _write(directory / SCHEMAS / f"{name}.json", _object_text(described))
    _write(directory / SCHEMAS / f"{name}.meta.json", _object_text(meta))


def _array_lines(documents: Iterator[str]) -> Iterator[str]:
    before = "[\n  "
    for document in documents:
        yield before + _inline(records.decode(document))
        before = ",\n  "
    yield "[]\n" if before.startswith("[") else "\n]\n"


def _object_text(members: dict[str, Any]) -> str:
    lines = ",\n".join(f"  {_inline(name)}: {_inline(value)}" for name, value in members.items())
    return f"{{\n{lines}\n}}\n"


def _inline(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def import_session(session: Session, directory: Path) -> list[str]:
    """Add the collections found in `directory` to a session, all or none; their names.

    Raises LayoutError where a file cannot be read or a collection is there already.
    """
    paths = sorted(directory.glob("*.json"))
    session.begin(read_only=False)
    try:
        names = [_import_collection(session, path) for path in paths]
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return names


def _import_collection(session: Session, path: Path) -> str:
    name = path.stem
    if name in session.plan_view:
        raise LayoutError(f"{_shown(path)}: the session has a collection of this name")
    schema = _read_object(path.parent / SCHEMAS / path.name)
    meta = _read_object(path.parent / SCHEMAS / f"{name}.meta.json")
    try:
        with session.restoring():
            session.plan_view[name].insert_many(_read_array(path))
        session.restore_collection(
            name,
            fields=_names(schema.get("fields", [])),
            updated_at=_text(schema.get("updated_at")),
            next_id=_count(meta.get("auto_id", 1)),
            single=_single(meta.get("single", "")),
        )
    except (StoreError, TypeError) as error:
        raise LayoutError(f"{_shown(path)}: {error}") from error
    return name


def _names(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("'fields' in its schema is no list of names")
    return value


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("'updated_at' in its schema is no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**53:
        raise TypeError("'auto_id' in its meta file is no id")
    return value


def _single(value: object) -> Single:
    if value not in SINGLES:
        raise TypeError("'single' in its meta file is neither made nor given")
    return value


def _read_array(path: Path) -> list[Any]:
    value = _read(path)
    if not isinstance(value, list):
        raise LayoutError(f"{_shown(path)}: not an array of records")
    return value


def _read_object(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    value = _read(path)
    if not isinstance(value, dict):
        raise LayoutError(f"{_shown(path)}: not an object")
    return value


def _read(path: Path) -> Any:
    """No name twice in an object, of which one would be lost. NaN is the store's to refuse, by its place."""
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"{_shown(path)}: not JSON ({_reason(error)})") from None


def _reason(error: ValueError | RecursionError) -> str:
    """What is wrong, in words about the file: Python's own are about Python."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}: line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.start + 1}"
    if isinstance(error, TwiceError):
        return str(error)
    return "nested too deeply" if isinstance(error, RecursionError) else "a number with too many digits"


class TwiceError(ValueError):
    """An object has one key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise TwiceError(f"an object has the key {name[:64]!a} twice")
            seen.add(name)
    return members


def _shown(path: Path) -> str:
    """A file as the archive has it: never where it lies on this host."""
    name = path.name if len(path.name) <= _SHOWN else f"{path.name[:_SHOWN]}…"
    return f"{SCHEMAS}/{name}" if path.parent.name == SCHEMAS else name
