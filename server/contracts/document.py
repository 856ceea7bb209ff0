"""An API description as values: what it says of each operation, in the shape of OpenAPI 3.1.

Swagger 2.0 and OpenAPI 3.0 are brought into that shape when they are read (`server.contracts.normalising`),
and other files that a document refers to are put into it, so a pointer leads to everything.

A pointer is a JSON Pointer in a URI fragment (RFC 6901 §6), such as ``#/components/schemas/Pet``.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Methods that a path of a document may have, in the order in which `Allow` names them.
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Where files that a document refers to are put in it.
FILES: Final = "x-files"


class ContractError(Exception):
    """A document that cannot be used at all; the message names the file, and where there is one the line."""


@frozen
class Problem:
    """What could not be used of a document. It is listed and left out, never fatal; `line` 0: unknown."""

    file: str
    line: int
    pointer: str
    what: str

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}: {self.pointer or '#'}: {self.what}"


@frozen
class Parameter:
    """`place` is path, query, header or cookie; `schema` a pointer; `style` and `explode` as in OpenAPI 3.

    `media_type` is there for a parameter that is described by `content`, such as JSON in a query.
    """

    name: str
    place: str
    required: bool
    style: str
    explode: bool
    schema: str
    media_type: str = ""
    pointer: str = ""
    #: The values that its schema lists; () for none.
    choices: tuple[Any, ...] = ()


@frozen
class Operation:
    """A method of a path template, which is without the base path.

    `request_bodies` and each of `replies` map a media type to its schema's pointer, "" where there is none.
    The keys of `replies` are a status, a range such as ``2XX``, or ``default``. `security`: alternatives,
    each of which maps the schemes that it needs to their scopes; () asks for nothing. `digest` changes when
    the operation or anything that it refers to does.
    """

    id: str
    method: str
    template: str
    pointer: str
    parameters: tuple[Parameter, ...] = ()
    request_bodies: Mapping[str, str] = field(factory=dict)
    required_body: bool = False
    replies: Mapping[str, Mapping[str, str]] = field(factory=dict)
    security: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    digest: str = ""

    def reply_for(self, status: int) -> Mapping[str, str] | None:
        """What is declared for a status: itself, its range, then `default`; None: nothing."""
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self.replies:
                return self.replies[key]
        return None

    def declares(self, status: int) -> bool:
        return str(status) in self.replies or f"{status // 100}XX" in self.replies


@frozen(eq=False)
class Document:
    """A document that was read. `raw` is in the shape of OpenAPI 3.1; nobody changes it.

    `version` is what the file said of itself. `base_paths`: the paths of its servers, without a slash at the
    end; `base_path` is the first one.
    """

    raw: Mapping[str, Any]
    digest: str
    version: str
    base_paths: tuple[str, ...]
    operations: tuple[Operation, ...]
    problems: tuple[Problem, ...] = ()
    file: str = ""
    #: The line of lists and objects of `raw`, by their identity, as far as they were read from a file.
    lines: Mapping[int, int] = field(factory=dict, repr=False)
    #: The names of other files, by their number in it.
    files: Mapping[int, str] = field(factory=dict)

    @property
    def base_path(self) -> str:
        return self.base_paths[0] if self.base_paths else ""

    def place_of(self, pointer: str) -> tuple[str, int]:
        """The file, and the line of what the pointer leads to or of what that is in; 0: unknown."""
        node: Any = self.raw
        line, steps = 0, steps_of(pointer)
        for step in steps:
            line = self.lines.get(id(node), line)
            if isinstance(node, dict):
                node = node.get(step)
            elif isinstance(node, list) and step.isascii() and step.isdigit() and int(step) < len(node):
                node = node[int(step)]
            else:
                break
        line = self.lines.get(id(node), line)
        if len(steps) > 1 and steps[0] == FILES and steps[1].isdigit():
            return self.files.get(int(steps[1]), self.file), line
        return self.file, line

    @cached_property
    def by_id(self) -> Mapping[str, Operation]:
        return {each.id: each for each in self.operations}

    @property
    def title(self) -> str:
        info = self.raw.get("info")
        return str(info.get("title", "")) if isinstance(info, dict) else ""

    def resolve(self, pointer: str) -> Any:
        """What the pointer leads to, with references at its end followed; {} where there is nothing."""
        for _ in range(_MAX_HOPS):
            found = value_at(self.raw, pointer)
            if not isinstance(found, dict) or not isinstance(found.get("$ref"), str):
                return {} if found is None else found
            pointer = found["$ref"]
        return {}


_MAX_HOPS: Final = 32


def value_at(raw: Any, pointer: str) -> Any:
    """The value, references not followed; None where there is none."""
    value = raw
    for step in _steps(pointer):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def steps_of(pointer: str) -> list[str]:
    return list(_steps(pointer))


@lru_cache(maxsize=65_536)
def _steps(pointer: str) -> tuple[str, ...]:
    text = unquote(pointer.removeprefix("#"))
    if not text.startswith("/"):
        return ()
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def pointer_of(steps: Iterable[str | int]) -> str:
    """Percent signs are escaped, so that `value_at` finds the very name."""
    return "#" + "".join(
        "/" + str(step).replace("~", "~0").replace("/", "~1").replace("%", "%25") for step in steps
    )
