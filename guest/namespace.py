"""The world as a plan sees it: a handful of builtins, the helpers, and this request's values.

A namespace is made anew for every run, so nothing a plan binds is there for the next.
"""

from __future__ import annotations

import builtins
import inspect
from typing import TYPE_CHECKING, Any

from guest import credentials, helpers, pages, patches, shapes, times
from guest.reply import abort, make_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.resource_store import ResourceStore
    from store.session_store import SessionStore

#: Harmless ones only: none reads an attribute by name, makes a class, or reaches a frame.
BUILTIN_NAMES = (
    "abs", "all", "any", "bin", "bool", "chr", "dict", "divmod", "enumerate", "filter", "float",
    "format", "frozenset", "hash", "hex", "int", "isinstance", "iter", "len", "list", "map", "max", "min",
    "next", "oct", "ord", "pow", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str",
    "sum", "tuple", "zip",
    "ArithmeticError", "AssertionError", "AttributeError", "Exception", "IndexError", "KeyError",
    "LookupError", "MemoryError", "NameError", "OverflowError", "RecursionError", "RuntimeError",
    "StopIteration", "TypeError", "UnicodeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip

PURE_HELPERS: tuple[Callable[..., Any], ...] = (
    helpers.as_int,
    helpers.as_float,
    helpers.as_bool,
    helpers.parse_json,
    credentials.bearer,
    helpers.now,
    helpers.today,
    times.add_time,
    times.seconds_between,
    helpers.uuid4,
    helpers.new_token,
    helpers.slugify,
    helpers.url_quote,
    helpers.by,
    helpers.re_match,
    helpers.money,
    patches.json_patch,
    patches.merge_patch,
    pages.page_of,
    pages.pick,
    pages.envelope,
    pages.fail,
    shapes.shaped,
)
_BUILTINS = {name: getattr(builtins, name) for name in BUILTIN_NAMES}
_GIVEN = {"__name__": "plan", **{helper.__name__: helper for helper in (*PURE_HELPERS, make_response, abort)}}


class Printed:
    """What a plan printed, up to a limit in bytes; the rest is dropped, not an error."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._room = limit_bytes
        #: Empty when nothing was printed.
        self.parts: list[str] = []

    def print(self, *values: Any, sep: str = " ", end: str = "\n") -> None:
        """For debugging: the first bytes go to the service's log, never to the client."""
        if self._room <= 0:
            return
        text = (sep.join([str(value)[: self._room] for value in values]) + end)[: self._room]
        self.parts.append(text)
        self._room -= len(text.encode("utf-8", "replace"))

    def take(self) -> str:
        """All of it, whole characters; and from here on it is as if nothing had been printed."""
        if not self.parts:
            return ""
        data = "".join(self.parts).encode("utf-8", "replace")[: self._limit]
        self.parts.clear()
        self._room = self._limit
        return data.decode("utf-8", "ignore")


class Namespace:
    """What a plan sees beside its request: builtins and helpers, made once for a guest.

    All of it is in the builtins, where names are looked for last: so a run begins with a dict of its
    request's names alone, and whatever a plan binds goes away with that. The builtins are the same dict in
    every run of a plan. One that passed the policy cannot name it; one that got past it could change it, and
    would have its own session's guest to itself, as it has anyway.
    """

    def __init__(self, derive_key: Callable[[str, str], str], printed: Printed) -> None:
        secrets = helpers.Secrets(derive_key)
        own = (secrets.hash_secret, secrets.verify_secret)
        self.helpers: tuple[Callable[..., Any], ...] = (*PURE_HELPERS, *own)
        self.builtins = {**_BUILTINS, "print": printed.print}
        self._shared = {**_GIVEN, **self.builtins, **{helper.__name__: helper for helper in own}}

    def builtins_with(self, store: ResourceStore, session_store: SessionStore) -> dict[str, Any]:
        """What is the same in every run of a plan."""
        return {**self._shared, "store": store, "session_store": session_store}


def describe(functions: tuple[Callable[..., Any], ...]) -> list[dict[str, str]]:
    """Name, signature and documentation of each function: what the prompt's reference is held against."""
    return [
        {
            "name": function.__name__,
            "signature": _plain_signature(function),
            "doc": inspect.cleandoc(function.__doc__ or ""),
        }
        for function in functions
    ]


def _plain_signature(function: Callable[..., Any]) -> str:
    """The signature without annotations: `(text, default=None)`."""
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
