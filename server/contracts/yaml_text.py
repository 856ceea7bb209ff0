"""YAML into JSON's values, event by event: nothing recurses, and nothing is a surprise to a JSON reader.

1. Keys are texts (``200:``, ``null:`` and ``true:`` as they are written); a key that is no scalar is refused.
2. Scalars are those of YAML 1.2's core schema: null, true and false, numbers; everything else is text, dates,
   ``yes`` and ``=`` among it. Tags are passed over.
3. An alias is the very value of its anchor. How many nodes there are with all aliases followed is counted, so
   a short text cannot be a large document. A value in itself is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from attrs import define, field

#: In C where PyYAML was built with it: many times as fast.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,100}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,4})?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class YamlError(ValueError):
    """`line` counts from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


@define
class _Open:
    """A list or mapping that has not ended, and how many nodes it has by now."""

    value: dict[str, Any] | list[Any]
    line: int
    anchor: str | None
    key: str | None = None
    nodes: int = 1


@define
class Builder:
    """Makes one document's value; `lines` has the line of every list and mapping, by its identity."""

    max_nodes: int
    max_depth: int
    lines: dict[int, int] = field(factory=dict)
    _open: list[_Open] = field(factory=list)
    _anchors: dict[str, tuple[Any, int]] = field(factory=dict)
    _total: int = 0
    _root: Any = None

    def read(self, text: str) -> Any:
        """Raises YamlError."""
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YamlError(str(error.problem or "is no YAML"), mark.line + 1 if mark else 0) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            if isinstance(error, YamlError):
                raise
            raise YamlError("is no YAML text", 0) from None
        return self._root

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(_Open({}, line, event.anchor))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(_Open([], line, event.anchor))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)

    def _scalar(self, event: Any, line: int) -> None:
        holder = self._open[-1] if self._open else None
        if holder is not None and isinstance(holder.value, dict) and holder.key is None:
            holder.key = event.value
            return
        value = _plain(event.value) if event.implicit[0] and event.style in (None, "") else event.value
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, 1, line)

    def _begin(self, opened: _Open) -> None:
        holder = self._open[-1] if self._open else None
        if holder is not None and isinstance(holder.value, dict) and holder.key is None:
            raise YamlError("a key is no text", opened.line)
        if len(self._open) >= self.max_depth:
            raise YamlError(f"nests deeper than {self.max_depth} levels", opened.line)
        self._open.append(opened)
        self.lines[id(opened.value)] = opened.line

    def _end(self) -> None:
        closed = self._open.pop()
        if closed.anchor:
            self._anchors[closed.anchor] = (closed.value, closed.nodes)
        self._put(closed.value, closed.nodes, closed.line)

    def _alias(self, name: str, line: int) -> None:
        if name not in self._anchors:
            raise YamlError("an alias has no anchor before it, or is inside of it", line)
        value, nodes = self._anchors[name]
        holder = self._open[-1] if self._open else None
        if holder is not None and isinstance(holder.value, dict) and holder.key is None:
            if not isinstance(value, str):
                raise YamlError("a key is no text", line)
            holder.key = value
            return
        self._put(value, nodes, line)

    def _put(self, value: Any, nodes: int, line: int) -> None:
        if not self._open:
            self._root = value if self._root is None else self._root
            return
        holder = self._open[-1]
        holder.nodes += nodes
        if holder.nodes > self.max_nodes:
            raise YamlError(f"has more than {self.max_nodes} nodes with all aliases followed", line)
        if isinstance(holder.value, list):
            holder.value.append(value)
            return
        key, holder.key = holder.key or "", None
        if key == "<<":  # a merge key: what is merged never overrides
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):
                    for name, part in each.items():
                        holder.value.setdefault(name, part)
            return
        holder.value[key] = value


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if number not in (float("inf"), float("-inf")) else text
    return text
