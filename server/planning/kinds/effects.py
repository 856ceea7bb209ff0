"""What a plan's program reads and writes: collections and fields by name, found in its text.

1. `store` is the plan's `resource`; ``session_store["name"]`` is the collection of that name.
2. A variable that holds a record, or a list of them, belongs to the collections it came from: through
   assignments, loops, comprehensions, ``sorted`` and the like. Every use of such a name in the program
   counts, in whatever order the lines run.
3. Written are the keys of dicts given to ``insert``, ``update`` and their kin, and of records changed in
   place. Where more is written than the program names, as from a body, `ALL_ELSE` says so.
4. It is a help for who writes the next plan, and no check: what is not understood is left out.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field, frozen

from server.planning.kinds.route import is_collection_name
from server.planning.kinds.shape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Collection -> field names, both sorted.
Named: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

#: Stands for fields that the program takes from elsewhere.
ALL_ELSE: Final = "..."
#: Fields named of one collection in one plan; beyond them `ALL_ELSE`.
MAX_FIELDS: Final = 24
MAX_COLLECTIONS: Final = 12
#: Chains of assignments are followed so far.
_ROUNDS: Final = 4

_READS: Final = frozenset(
    {"get", "list", "search", "embed", "expand", "delete_all", "count", "group", "exists"}
)
#: Which argument of a writing method holds the record.
_WRITES: Final = {"insert": 0, "insert_many": 0, "upsert": 0, "replace": 1, "update": 1}
_CRITERIA: Final = {"search": 0, "count": 0, "delete_all": 0, "list": 3, "group": 1}
#: What gives back records of the collection.
_GIVES: Final = frozenset({"get", "list", "search", "embed", "expand", "group", *_WRITES})
#: What gives back the records it was given.
_PASSES: Final = frozenset({"sorted", "list", "reversed", "dict", "enumerate", "pick", "max", "min"})
_OF_CRITERIA: Final = frozenset({"or", "and", "not", "q"})


@frozen
class Effects:
    """`reads` and `writes` name a collection even where no field of it is known."""

    reads: Named = ()
    writes: Named = ()


@lru_cache(maxsize=4_096)
def effects_of(code: str, resource: str) -> Effects:
    """Of a program that has passed the policy; nothing for a text that is no Python."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return Effects()
    program = _Program(resource)
    for _ in range(_ROUNDS):
        if not program.follow(tree):
            break
    program.note(tree)
    return Effects(_named(program.reads), _named(program.writes))


def _named(found: dict[str, set[str]]) -> Named:
    names = sorted(name for name in found if is_collection_name(name))[:MAX_COLLECTIONS]
    return tuple((name, _fields(found[name])) for name in names)


def _fields(names: set[str]) -> tuple[str, ...]:
    plain = sorted(map(printable, names - {ALL_ELSE}))
    more = (ALL_ELSE,) if ALL_ELSE in names or len(plain) > MAX_FIELDS else ()
    return (*plain[:MAX_FIELDS], *more)


@define
class _Program:
    """The variables of one program, and what was found of it."""

    resource: str
    #: Variable -> collections whose records it holds.
    holds: dict[str, set[str]] = field(factory=dict)
    #: Variable -> the one collection that it is.
    is_store: dict[str, str] = field(factory=dict)
    #: Variable -> keys of the dicts it was assigned, and set in it afterwards.
    keys: dict[str, set[str]] = field(factory=dict)
    #: Whether all bindings have been followed.
    _settled: bool = False
    reads: dict[str, set[str]] = field(factory=dict)
    writes: dict[str, set[str]] = field(factory=dict)

    # -- variables ---------------------------------------------------------------------------------

    def follow(self, tree: ast.AST) -> bool:
        """Go through all bindings once; whether anything new was learned."""
        before = (_size(self.holds), len(self.is_store), _size(self.keys))
        for node in ast.walk(tree):
            for target, value in _bindings(node):
                self._bind(target, value)
        return before != (_size(self.holds), len(self.is_store), _size(self.keys))

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._bind(each, value)
        elif isinstance(target, ast.Subscript):
            if isinstance(target.value, ast.Name) and (key := _text(target.slice)) is not None:
                self.keys.setdefault(target.value.id, set()).add(key)
        elif isinstance(target, ast.Name):
            if (store := self._store(value)) is not None:
                self.is_store[target.id] = store
            if found := self.collections(value):
                self.holds.setdefault(target.id, set()).update(found)
            if keys := self._written(value):
                self.keys.setdefault(target.id, set()).update(keys)

    def _store(self, node: ast.expr) -> str | None:
        """The collection that an expression is."""
        if isinstance(node, ast.Name):
            return self.resource if node.id == "store" else self.is_store.get(node.id)
        if isinstance(node, ast.Subscript) and _is_name(node.value, "session_store"):
            return _text(node.slice)
        if isinstance(node, ast.BoolOp):  # `store.singleton() or abort(404)`
            return next(filter(None, map(self._store, node.values)), None)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        if node.func.attr == "singleton":
            return self._store(node.func.value)
        if node.args:
            called = node.func.attr == "collection" and _is_name(node.func.value, "session_store")
            return _text(node.args[0]) if called else None
        return None

    def collections(self, node: ast.expr) -> set[str]:
        """Of which collections an expression holds records."""
        match node:
            case ast.Name(id=name):
                return self.holds.get(name, set())
            case ast.Call():
                return self._given_by(node)
            case ast.Subscript(value=owner, slice=key):
                return set() if _text(key) is not None else self.collections(owner)
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                return self.collections(element)
            case ast.DictComp(value=element) | ast.Starred(value=element):
                return self.collections(element)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.BoolOp(values=elements):
                return self._all(elements)
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return self.collections(one) | self.collections(other)
            case ast.Dict(keys=keys, values=values):
                return self._all(value for key, value in zip(keys, values, strict=True) if key is None)
            case _:
                return set()

    def _given_by(self, call: ast.Call) -> set[str]:
        """Of which collections a call gives back records."""
        match call.func:
            case ast.Name(id=name) if name in _PASSES:
                return self._all(call.args)
            case ast.Attribute(value=owner, attr=method):
                if (store := self._store(owner)) is not None:
                    return {store} if method in _GIVES else set()
                by_key = method in {"get", "setdefault"} and call.args and _text(call.args[0]) is None
                return self.collections(owner) if by_key or method in {"values", "copy", "items"} else set()
            case _:
                return set()

    def _all(self, nodes: Iterable[ast.expr]) -> set[str]:
        return set().union(*map(self.collections, nodes))

    def _written(self, node: ast.expr | None) -> set[str]:
        """The keys that a dict, or a list of dicts, has; `ALL_ELSE` for those that come from elsewhere."""
        match node:
            case ast.Dict(keys=keys, values=values):
                found: set[str] = set()
                for key, value in zip(keys, values, strict=True):
                    found |= self._spread(value) if key is None else {_text(key) or ALL_ELSE}
                return found
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return set().union(*map(self._written, elements))
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return self._written(element)
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return self._written(one) | self._written(other)
            case ast.Call(func=ast.Name(id="dict"), args=args, keywords=named):
                given = {word.arg or ALL_ELSE for word in named}
                return given.union(*map(self._written, args))
            case ast.Call(func=ast.Name(id="merge_patch" | "json_patch")):
                return {ALL_ELSE}
            case ast.Name(id=name):
                return set(self.keys.get(name, ()))
            case ast.Subscript(value=ast.Name(id="ctx" | "plan")) | ast.DictComp():
                return {ALL_ELSE}
            case _:
                return set()

    def _spread(self, node: ast.expr) -> set[str]:
        """What ``**node`` adds: of a stored record nothing new, of an unknown value nobody knows."""
        known = self._written(node)
        unknown = self._settled and not known and not self.collections(node)
        return {ALL_ELSE} if unknown else known

    # -- what is done with them --------------------------------------------------------------------

    def note(self, tree: ast.AST) -> None:
        self._settled = True
        self.follow(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=owner, attr=method)):
                    store = self._store(owner)
                    if store is not None:
                        self._note_call(store, method, node)
                    elif method == "get" and node.args:
                        self._note_read(owner, _text(node.args[0]))
                case ast.Call(func=ast.Name(id="sorted"), args=[rows, *_]):
                    self._note_order(rows, node)
                case ast.Subscript(value=owner, slice=key, ctx=ast.Load()):
                    self._note_read(owner, _text(key))
                case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Name(id="session_store")]):
                    if (name := _text(left)) is not None:
                        self.reads.setdefault(name, set())
                case _:
                    pass

    def _note_call(self, store: str, method: str, call: ast.Call) -> None:
        if method in _WRITES:
            # The one object's `replace` and `update` take no id.
            place = min(_WRITES[method], len(call.args) - 1)
            given = call.args[place] if call.args else None
            self.writes.setdefault(store, set()).update(self._written(given) or {ALL_ELSE})
        elif method == "delete":
            self.writes.setdefault(store, set())
        elif method in _READS:
            into = self.writes if method == "delete_all" else self.reads
            into.setdefault(store, set()).update(self._asked(method, call))

    def _asked(self, method: str, call: ast.Call) -> set[str]:
        """The fields of criteria and the like."""
        place = _CRITERIA.get(method)
        given = [] if place is None else call.args[place : place + 1]
        named = {word.arg: word.value for word in call.keywords if word.arg is not None}
        given += [named[name] for name in ("criteria", "where") if name in named]
        fields = set().union(*map(self._written, given)) - {ALL_ELSE}
        for name in ("by", "sort", "sum", "avg", "min", "max"):
            if (text := _text(named.get(name))) is not None:
                fields.update(each.lstrip("-+") for each in text.split(","))
        return {name for name in fields if name not in _OF_CRITERIA}

    def _note_read(self, owner: ast.expr, key: str | None) -> None:
        # Each record has an id, so that it is read says nothing.
        if key is not None and key != "id":
            for name in self.collections(owner):
                self.reads.setdefault(name, set()).add(key)

    def _note_order(self, rows: ast.expr, call: ast.Call) -> None:
        """Of ``sorted(rows, key=by("-total", "name"))``."""
        for word in call.keywords:
            if isinstance(word.value, ast.Call) and _is_name(word.value.func, "by"):
                for name in word.value.args:
                    text = _text(name)
                    self._note_read(rows, None if text is None else text.lstrip("-"))


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets with what they are assigned; of a loop, with what is gone through."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield target, value
        case ast.AugAssign(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=rows) | ast.comprehension(target=target, iter=rows):
            yield target, rows
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.Call(func=ast.Attribute(value=ast.Name() as owner, attr="append" | "extend"), args=[value]):
            yield owner, value
        case _:
            pass


def _size(found: dict[str, set[str]]) -> int:
    return sum(map(len, found.values())) + len(found)


def _text(node: Any) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
