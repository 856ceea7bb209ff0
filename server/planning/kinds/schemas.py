"""What a session's collections look like, as far as a planner may see it: names and types, never values.

Of arrays and objects in records one level of names is shown, from the latest records: whoever plans a
checkout must know what a cart's lines are made of. An object with many names is taken for a map, whose
keys are values, so none of them is shown.

They are read through the executor, by a read-only plan of our own, because the host never opens a
session's file. Once a plan of somebody's has run in that guest its answers are hostile, so what comes
back is decoded strictly: known types, few and printable names, everything else left out.

With `planner.disclose = "shapes_and_enums"` a text field that holds few different words, such as a
status, shows them; fields that are named like secrets do not.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson
from attrs import field, frozen

from server.planning.kinds.route import is_collection_name
from server.planning.kinds.shape import printable
from server.planning.policy import check
from server.values.errors import GuestFailed
from server.values.model import Plan, RunnablePlan, SourceCode
from server.values.replies import reply_to
from wasm_runtime.slot import Job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from server.values.model import Session
    from wasm_runtime.pool import Executor

#: What a collection has: no record, records, or the one object that it is.
Holds: TypeAlias = Literal["nothing", "records", "object"]
Disclosure: TypeAlias = Literal["shapes", "shapes_and_enums"]
#: Field names with their JSON types, both sorted.
Fields: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

MAX_COLLECTIONS = 32
#: For a description of the whole session, which is no prompt.
MAX_DESCRIBED = 100
MAX_FIELDS = 64
MAX_INNER = 24
#: A field within a field whose name is longer is passed over: a name may be as long as a record.
MAX_INNER_CHARS = 64
MAX_WORDS = 12
#: For what all records have: values in all collections, fields in one question, and nulls of a field.
MAX_LOOKED_AT = 500_000
MAX_COUNTED = 15
MAX_NULLS = 1_000
MAX_WORD_CHARS = 24
#: More than the largest honest answer has.
MAX_ANSWER_BYTES = 1024 * 1024

_HOLDS: tuple[Holds, ...] = ("nothing", "records", "object")
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")

#: The collections that the path names come first, so that they are never among those cut off.
_FIRST = f"""\
known = session_store.collections()
named = [name for name in known if name in ctx["segments"]]
others = [name for name in known if name not in named]
chosen = (named + others)[:{MAX_COLLECTIONS}]
"""
_ALL = f"""\
known = session_store.collections()
chosen = known[:{MAX_DESCRIBED}]
"""
_SHAPES = f"""\
found = {{}}
for name in chosen:
    described = session_store[name].schema()
    fields = described["fields"]
    kept = sorted(fields)[:{MAX_FIELDS}]
    found[name] = {{"fields": {{field: fields[field] for field in kept}}, "more": len(kept) < len(fields)}}
    if "single" in described:
        found[name]["single"] = True
"""
_INSIDE = f"""\
for name in found:
    kinds = found[name]["fields"]
    inside = {{field: {{}} for field in kinds if "array" in kinds[field] or "object" in kinds[field]}}
    latest = session_store[name].list(offset=max(session_store[name].count() - 20, 0))[0] if inside else []
    for record in latest:
        for field in inside:
            value = record.get(field)
            for element in value[:20] if isinstance(value, list) else [value]:
                if not isinstance(element, dict) or len(inside[field]) > {MAX_INNER}:
                    continue
                for inner, item in element.items():
                    if len(inner) > {MAX_INNER_CHARS}:
                        continue
                    kind = "null"
                    if isinstance(item, bool):
                        kind = "boolean"
                    elif isinstance(item, int):
                        kind = "integer"
                    elif isinstance(item, float):
                        kind = "number"
                    elif isinstance(item, str):
                        kind = "string"
                    elif isinstance(item, (list, dict)):
                        kind = "array" if isinstance(item, list) else "object"
                    seen = inside[field].setdefault(inner, [])
                    if kind not in seen:
                        seen.append(kind)
    found[name]["inside"] = {{field: inside[field] for field in inside if len(inside[field]) <= {MAX_INNER}}}
"""
_WORDS = f"""\
for name in found:
    kinds = found[name]["fields"]
    texts = [field for field in kinds if kinds[field] in (["string"], ["null", "string"])]
    seen = {{field: set() for field in texts if not re_match("(?i)secret|passw|token|key", field)}}
    for record in session_store[name].list(limit=200)[0]:
        for field in seen:
            if record.get(field) is not None:
                seen[field].add(record[field])
    words = {{}}
    for field in seen:
        few = 0 < len(seen[field]) <= {MAX_WORDS}
        if few and all(re_match("^[A-Za-z-]{{1,{MAX_WORD_CHARS}}}$", word) for word in seen[field]):
            words[field] = sorted(seen[field])
    found[name]["words"] = words
"""
#: Which fields all records have, up to so many values that are looked at; a null is a value.
_EVERYWHERE = f"""\
left = {MAX_LOOKED_AT}
for name in found:
    kinds = found[name]["fields"]
    names = [field for field in kinds if re_match("^[A-Za-z_][A-Za-z0-9_-]*$", field)]
    total = session_store[name].count()
    everywhere = []
    left = left - total * len(names)
    for start in range(0, len(names) if total and left >= 0 else 0, {MAX_COUNTED}):
        some = names[start:start + {MAX_COUNTED}]
        counts = session_store[name].group(count=",".join(some))[0]
        for field in some:
            without = total - counts["count_" + field]
            if "null" in kinds[field] and 0 < without <= {MAX_NULLS}:
                nulls = session_store[name].search({{field + "__isnull": True}})
                without = len([record for record in nulls if field not in record])
            if without == 0:
                everywhere.append(field)
    found[name]["everywhere"] = everywhere
    arrays = {{field: [] for field in kinds if "array" in kinds[field]}}
    latest = session_store[name].list(offset=max(total - 20, 0))[0] if arrays else []
    for record in latest:
        for field in arrays:
            value = record.get(field)
            for item in value[:20] if isinstance(value, list) else []:
                kind = "null"
                if isinstance(item, bool):
                    kind = "boolean"
                elif isinstance(item, int):
                    kind = "integer"
                elif isinstance(item, float):
                    kind = "number"
                elif isinstance(item, str):
                    kind = "string"
                elif isinstance(item, (list, dict)):
                    kind = "array" if isinstance(item, list) else "object"
                if kind not in arrays[field]:
                    arrays[field].append(kind)
    found[name]["elements"] = arrays
"""
_ANSWER = """\
REPLY = make_response(200, {"collections": found, "more": len(found) < len(known)})
"""


@cache
def _reader(code: str) -> RunnablePlan:
    """To check them all takes as long as to import a tenth of the service."""
    source = SourceCode(code)
    plan = Plan(action="schemas", resource="schemas", route="/", code=source)
    return RunnablePlan(plan, check(source), "conventions")


_READERS: dict[Disclosure, str] = {
    "shapes": _FIRST + _SHAPES + _INSIDE + _ANSWER,
    "shapes_and_enums": _FIRST + _SHAPES + _INSIDE + _WORDS + _ANSWER,
}
_READER_OF_ALL = _ALL + _SHAPES + _INSIDE + _ANSWER
_READER_OF_TYPES = _ALL + _SHAPES + _INSIDE + _EVERYWHERE + _ANSWER
_SEEKER = """\
name = ctx["segments"][0]
REPLY = make_response(200, {"exists": name in session_store.collections()})
"""
_LOOKER = """\
found = session_store[ctx["segments"][0]]
held = "records" if found.count() else "nothing"
REPLY = make_response(200, {"holds": "object" if found.singleton() is not None else held})
"""
_FILE_SEEKER = """\
segments = ctx["segments"]
rec = session_store[segments[0]].get(segments[1])
value = rec.get(segments[2]) if rec is not None and segments[2] not in session_store.collections() else None
files = value if isinstance(value, list) else [value]
has_file = any(isinstance(each, dict) and set(each) == {"name", "type", "size", "data"} for each in files)
REPLY = make_response(200, {"file": has_file})
"""


@frozen
class CollectionSchema:
    """The fields of one collection, by name; the words of a field only where they are disclosed."""

    fields: Fields = ()
    #: Of fields that are arrays of objects, or objects: the fields in these.
    inside: tuple[tuple[str, Fields], ...] = ()
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: The collection has more fields than are named here.
    more: bool = False
    #: It holds one object.
    single: bool = False
    #: Fields that all of its records have; only where that was asked for.
    everywhere: tuple[str, ...] = ()
    #: Types of the elements of its arrays; likewise.
    elements: Fields = ()

    def as_json(self) -> dict[str, Any]:
        """``{name: type}``, types as in `JsonType.as_json`, or ``{"string": [words]}`` for known words."""
        inside, words = dict(self.inside), dict(self.words)
        shown = {name: _shown(kinds, inside.get(name, ()), words.get(name)) for name, kinds in self.fields}
        return {**shown, "...": "more"} if self.more else shown


def _shown(kinds: tuple[str, ...], inside: Fields, words: tuple[str, ...] | None) -> Any:
    types = [_shown_type(kind, inside, words) for kind in kinds]
    return types[0] if len(types) == 1 else types


def _shown_type(kind: str, inside: Fields, words: tuple[str, ...] | None) -> Any:
    if kind == "string" and words is not None:
        return {"string": words}
    if kind not in {"array", "object"} or not inside:
        return kind
    fields = {"object": {name: _shown(kinds, (), None) for name, kinds in inside}}
    return {"array": fields} if kind == "array" else fields


@frozen
class Schemas:
    """The collections of a session, sorted by name."""

    collections: tuple[tuple[str, CollectionSchema], ...] = ()
    #: The session has more collections than are named here.
    more: bool = False
    _by_name: dict[str, CollectionSchema] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_name", dict(self.collections))

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def only(self, names: Collection[str]) -> Schemas:
        """The collections with these names, and `more` when that leaves some out."""
        kept = tuple(pair for pair in self.collections if pair[0] in names)
        return Schemas(kept, more=self.more or len(kept) < len(self.collections))

    def as_json(self) -> dict[str, Any]:
        return {name: schema.as_json() for name, schema in self.collections}


async def read_schemas(
    executor: Executor, session: Session, segments: Sequence[str] = (), *, disclose: Disclosure = "shapes"
) -> Schemas:
    """The collections of a session whose directory exists; those named in `segments` before all others.

    Raises the ServiceError that the run's outcome means, GuestFailed when the answer is not one.
    """
    return decode_schemas(await _read(executor, session, _READERS[disclose], segments), disclose=disclose)


async def read_all(executor: Executor, session: Session, *, everywhere: bool = False) -> bytes:
    """The collections of a session, for whoever may see the session itself: more of them, no words.

    `everywhere`: also which fields all records have, which takes a look at all of them.
    As they were answered: `decode_schemas(..., most=MAX_DESCRIBED)` is work for another thread.
    Raises the ServiceError that the run's outcome means.
    """
    return await _read(executor, session, _READER_OF_TYPES if everywhere else _READER_OF_ALL, ())


async def collection_exists(executor: Executor, session: Session, name: str) -> bool:
    """Whether a session whose directory exists has a collection of this name. Raises as `read_schemas`."""
    return _object(await _read(executor, session, _SEEKER, (name,))).get("exists") is True


async def collection_holds(executor: Executor, session: Session, name: str) -> Holds:
    """What a collection of a session whose directory exists has in it. Raises as `read_schemas`."""
    held = _object(await _read(executor, session, _LOOKER, (name,))).get("holds")
    return held if held in _HOLDS else "records"


async def record_has_file(executor: Executor, session: Session, path: tuple[str, ...]) -> bool:
    """Whether a record of a session whose directory exists has files of forms in a field.

    `path` is the collection, the id and the field. Raises as `read_schemas`.
    """
    return _object(await _read(executor, session, _FILE_SEEKER, path)).get("file") is True


async def _read(executor: Executor, session: Session, code: str, segments: Sequence[str]) -> bytes:
    reader = _reader(code)
    outcome = await executor.run(
        Job(
            session=session.directory,
            plan_id=reader.id,
            plan=reader.document,
            request=f"{{}}\n{{}}\n{orjson.dumps({'segments': segments}).decode()}\n",
            read_only=True,
        )
    )
    reply = reply_to(outcome, "")
    if reply.status != 200 or reply.body is None:
        raise GuestFailed("The session's collections cannot be read.")
    return reply.body


def decode_schemas(body: bytes, *, disclose: Disclosure = "shapes", most: int = MAX_COLLECTIONS) -> Schemas:
    """What a guest answered, as far as it can be believed; `words` only where they may be disclosed.

    Of `most` collections; from the first ones by name.

    Raises GuestFailed when it is not an answer of the form above.
    """
    document = _object(body)
    collections = document.get("collections")
    if not isinstance(collections, dict):
        raise GuestFailed("The session's collections cannot be read.")
    words = disclose == "shapes_and_enums"
    named = sorted(name for name in collections if is_collection_name(name))
    kept = tuple(
        (name, _collection(collections[name], words=words))
        for name in named[:most]
        if isinstance(collections[name], dict)
    )
    return Schemas(kept, more=document.get("more") is True or len(kept) < len(collections))


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body) if len(body) <= MAX_ANSWER_BYTES else None
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise GuestFailed("The session's collections cannot be read.")
    return document


def _collection(document: dict[str, Any], *, words: bool) -> CollectionSchema:
    given = _dict(document.get("fields"))
    kept = sorted(given)[:MAX_FIELDS]
    inside = _dict(document.get("inside"))
    said = _dict(document.get("words")) if words else {}
    elements = _dict(document.get("elements"))
    return CollectionSchema(
        fields=_fields(given, kept),
        inside=tuple((printable(name), _inner(_dict(inside.get(name)))) for name in kept if name in inside),
        words=tuple(_words(said, kept)),
        more=document.get("more") is True or len(kept) < len(given),
        single=document.get("single") is True,
        everywhere=_everywhere(document.get("everywhere"), kept),
        elements=_fields(elements, [name for name in kept if name in elements]),
    )


def _everywhere(names: Any, fields: list[str]) -> tuple[str, ...]:
    listed = names[:MAX_FIELDS] if isinstance(names, list) else []
    said = {name for name in listed if isinstance(name, str)}
    return tuple(printable(name) for name in fields if name in said)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fields(given: dict[str, Any], names: list[str]) -> Fields:
    return tuple((printable(name), _types(given[name])) for name in names)


def _inner(given: dict[str, Any]) -> Fields:
    return _fields(given, sorted(given)) if len(given) <= MAX_INNER else ()


def _types(kinds: Any) -> tuple[str, ...]:
    """Known types, sorted; a field is listed even where its types are not to be believed."""
    listed = kinds[:16] if isinstance(kinds, list) else []
    return tuple(sorted({kind for kind in listed if isinstance(kind, str)} & _TYPES))


def _words(said: dict[str, Any], fields: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in fields:
        words = said.get(name)
        if isinstance(words, list) and 0 < len(words) <= MAX_WORDS and all(map(_is_word, words)):
            yield printable(name), tuple(sorted(set(words)))


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MAX_WORD_CHARS and _WORD.fullmatch(text) is not None
