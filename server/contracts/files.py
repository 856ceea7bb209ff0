"""The files of a description: read within limits, and put into one value.

1. A reference to another file leads below the folder of the first one, by a relative path without `..` that
   gets out of it, and through no link that does. Nothing is ever fetched.
2. Each file is read once and stands in the document below ``x-files``; references are made to lead there.
3. A reference that leads nowhere, or to another host, is taken out and listed.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import orjson
from attrs import define, field, frozen

from server.contracts.document import FILES, ContractError, Problem, pointer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
#: No JSON that we write has a larger number.
_LARGEST: Final = 2**63 - 1
#: What tells lines, and where texts, lists and objects begin.
_MARKS: Final = re.compile(rb'["\[{\n]')
_JSON_START: Final = re.compile(rb"\s*[{\[]")


@frozen
class DocumentLimits:
    """Of a description with all its files."""

    document_bytes: int = 16 * 1024 * 1024
    nodes: int = 1_000_000
    depth: int = 200
    files: int = 500
    operations: int = 2_500


@define
class Bundle:
    """`raw` is the first file's value, with the others in it."""

    name: str
    limits: DocumentLimits
    raw: dict[str, Any] = field(factory=dict)
    problems: list[Problem] = field(factory=list)
    lines: dict[int, int] = field(factory=dict)
    _folder: Path | None = None
    _numbers: dict[str, int] = field(factory=dict)
    _names: dict[int, str] = field(factory=dict)
    _bytes_left: int = 0
    _nodes_left: int = 0

    def load(self, text: bytes, folder: Path | None) -> None:
        """Read the first file and all that it refers to. Raises ContractError."""
        self._folder = folder
        self._bytes_left, self._nodes_left = self.limits.document_bytes, self.limits.nodes
        value = self._parsed(text, self.name)
        if not isinstance(value, dict):
            raise ContractError(f"{self.name}: is no object")
        self.raw = value
        if folder is not None:  # else they came with it, under this name
            value.pop(FILES, None)
        waiting: list[tuple[str, int | None, Any]] = [("", None, value)]
        while waiting:
            path, number, part = waiting.pop()
            waiting.extend(self._rewritten(path, number, part))

    @property
    def names(self) -> dict[int, str]:
        """Of the other files, by their number in the document."""
        return self._names

    def note(self, pointer: str, what: str, at: Any = None) -> None:
        self.problems.append(Problem(self.file_of(pointer), self.lines.get(id(at), 0), pointer, what))

    def file_of(self, pointer: str) -> str:
        parts = pointer.split("/", 3)
        if len(parts) > 2 and parts[1] == FILES and parts[2].isdigit():
            return self._names.get(int(parts[2]), self.name)
        return self.name

    def _rewritten(self, path: str, number: int | None, root: Any) -> Iterator[tuple[str, int | None, Any]]:
        """Make every reference of a file one into the document; gives the files that are new."""
        left: list[Any] = [root]
        seen: set[int] = set()
        while left:
            node = left.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, list):
                left.extend(each for each in node if isinstance(each, (dict, list)))
            elif isinstance(node, dict):
                given = node.get("$ref")
                if isinstance(given, str):
                    yield from self._referred(path, number, node, given)
                left.extend(each for each in node.values() if isinstance(each, (dict, list)))

    def _referred(
        self, path: str, number: int | None, node: dict[str, Any], given: str
    ) -> Iterator[tuple[str, int | None, Any]]:
        where, _, fragment = given.partition("#")
        if not where:
            if number is not None:
                node["$ref"] = f"#/{FILES}/{number}{fragment}"
            return
        target = self._number_of(path, where)
        if isinstance(target, str):
            self.note(_place(number), f"{given[:200]!r}: {target}", node)
            del node["$ref"]
            return
        node["$ref"] = f"#/{FILES}/{target}{fragment}" if target >= 0 else f"#{fragment}"
        if target >= 0 and str(target) not in self.raw.setdefault(FILES, {}):
            name = self._names[target]
            value = self._load_file(name)
            self.raw[FILES][str(target)] = value
            yield name, target, value

    def _number_of(self, path: str, where: str) -> int | str:
        """The number of the file, -1 for the first one; a text says why there is none."""
        if _SCHEME.match(where):
            return "another host's; nothing is fetched"
        name = _joined(path, unquote(where))
        if name is None:
            return "leads out of the document's folder"
        if name == PurePosixPath(self.name).name:
            return -1
        if name in self._numbers:
            return self._numbers[name]
        if self._folder is None:
            return "another file; this document was given without one"
        if len(self._numbers) >= self.limits.files:
            return f"more than {self.limits.files} files"
        file, folder = self._folder / name, self._folder.resolve()
        if "\0" in name or not file.is_file() or not file.resolve().is_relative_to(folder):
            return "no such file below the document's folder"
        number = len(self._numbers)
        self._numbers[name], self._names[number] = number, name
        return number

    def _load_file(self, name: str) -> Any:
        assert self._folder is not None  # noqa: S101 - `_number_of` has looked
        file = self._folder / name
        if file.stat().st_size > self._bytes_left:
            raise ContractError(
                f"{self.name}: with its files it has more than {self.limits.document_bytes} bytes"
            )
        try:
            return self._parsed(file.read_bytes(), name)
        except ContractError as error:
            self.problems.append(Problem(name, 0, f"#/{FILES}", str(error)))
            return {}

    def _parsed(self, text: bytes, name: str) -> Any:
        self._bytes_left -= len(text)
        if self._bytes_left < 0:
            raise ContractError(f"{name}: the document has more than {self.limits.document_bytes} bytes")
        value = self._json(text, name) if _JSON_START.match(text) else self._yaml(text, name)
        self._count(value, name)
        return value

    def _json(self, text: bytes, name: str) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if text.lstrip()[:1] == b"{" and b"\n" in text:
                try:  # flow style, comments: a YAML document may begin so
                    return self._yaml(text, name)
                except ContractError:
                    pass
            raise ContractError(f"{name}:{error.lineno}: is no JSON: {error.msg}") from None
        self.lines |= _json_lines(text, value)
        return value

    def _yaml(self, text: bytes, name: str) -> Any:
        # Most services read no YAML.
        from server.contracts.yaml_text import Builder, YamlError  # noqa: PLC0415

        try:
            decoded = text.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ContractError(f"{name}: is not in UTF-8") from None
        builder = Builder(self.limits.nodes, self.limits.depth, lines=self.lines)
        try:
            return builder.read(decoded)
        except YamlError as error:
            line = f":{error.line}" if error.line else ""
            raise ContractError(f"{name}{line}: {error}") from None

    def _count(self, root: Any, name: str) -> None:
        """Nodes and depth, each part of the text once: aliases were counted when they were read."""
        left, seen = [(root, 1)], set()
        while left:
            node, depth = left.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if depth > self.limits.depth:
                raise ContractError(f"{name}: nests deeper than {self.limits.depth} levels")
            values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            for key, each in list(node.items() if isinstance(node, dict) else enumerate(values)):
                if type(each) is int and not -_LARGEST <= each <= _LARGEST:
                    node[key] = _as_float(each)
            self._nodes_left -= 1 + len(values)
            if self._nodes_left < 0:
                raise ContractError(f"{name}: has more than {self.limits.nodes} nodes")
            left.extend((each, depth + 1) for each in values if isinstance(each, (dict, list)))


def _json_lines(text: bytes, root: Any) -> dict[int, int]:
    """The line of every list and object, by its identity; none of one line, or with a key twice."""
    begins, line, place = [], 1, 0
    while mark := _MARKS.search(text, place):
        place = mark.end()
        if mark[0] == b"\n":
            line += 1
        elif mark[0] == b'"':
            place = _after_text(text, place)
        else:
            begins.append(line)
    if line == 1:
        return {}
    found, left = [], [root]
    while left:
        node = left.pop()
        if isinstance(node, (dict, list)):
            found.append(id(node))
            left.extend(reversed(list(node.values()) if isinstance(node, dict) else node))
    return dict(zip(found, begins, strict=True)) if len(found) == len(begins) else {}


def _as_float(value: int) -> float:
    """The nearest one that JSON can have."""
    try:
        return float(value)
    except OverflowError:
        return 1e308 if value > 0 else -1e308


def _after_text(text: bytes, start: int) -> int:
    """The place behind the quote that ends a text; it has no line's end in it."""
    while (end := text.find(b'"', start)) >= 0:
        before = text[start:end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return end + 1
        start = end + 1
    return len(text)


def _joined(path: str, where: str) -> str | None:
    """The path of a file from that of the one that names it; None: it leads out."""
    steps: list[str] = []
    for step in (*PurePosixPath(path).parent.parts, *where.split("/")):
        if step == "..":
            if not steps:
                return None
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)


def _place(number: int | None) -> str:
    return "#" if number is None else pointer_of((FILES, number))
