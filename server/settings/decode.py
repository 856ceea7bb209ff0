"""Strict decoding of the settings tree: every value checked, every problem collected, paths in the messages.

TOML values must have the type of the key; nothing is converted, but that an integer will do for a number with
a fraction. A variable's text is read as that type.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, get_origin

from attrs import Attribute, field, frozen

from server.settings.key import Key, fields_of, is_name, keys_of, spec_of

T = TypeVar("T")

_INTEGER: Final = re.compile(r"-?[0-9](_?[0-9]){0,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_KINDS: Final = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a text",
    list: "a list",
    dict: "a table",
}
_SHOWN: Final = 60
_USER_IN_URL: Final = re.compile(r"//[^/]*@")


class _Refused(Exception):
    """The value is not allowed; the text says what is."""


@frozen
class Decoder:
    """Builds a table of settings from TOML and variables; what it refuses is added to `problems`."""

    environ: Mapping[str, str]
    problems: list[str] = field(factory=list)
    #: All keys and tables of the tree, once its root is known: what an unknown key is compared with.
    _known: list[str] = field(factory=list)

    def table(self, cls: type[T], toml: Any, path: str = "") -> T:
        """An instance of `cls`; a refused value leaves the default in its place and a problem behind."""
        if not path:
            self._known.extend(_paths(cls))
        if not isinstance(toml, Mapping):
            self.problems.append(f"{path}: {_shown(toml)} is not allowed: expected a table [{path}]")
            toml = {}
        attributes = {attribute.name: attribute for attribute in fields_of(cls)}
        prefix = f"{path}." if path else ""
        self.problems.extend(self._unknown(prefix + name) for name in toml if name not in attributes)
        found = {name: self._member(attribute, toml, prefix) for name, attribute in attributes.items()}
        return cls(**{name: value for name, value in found.items() if value is not None})

    def _member(self, attribute: Attribute[Any], toml: Mapping[str, Any], prefix: str) -> Any:
        """The value of one key or section; None where its default stands."""
        path, spec = prefix + attribute.name, spec_of(attribute)
        if spec is None:
            return self.table(attribute.type or object, toml.get(attribute.name, {}), path)
        return self._value(Key(path, attribute.type, attribute.default, spec), toml)

    def _value(self, key: Key, toml: Mapping[str, Any]) -> Any:
        name = key.path.rpartition(".")[2]
        text = self.environ.get(key.spec.variable, "") if key.spec.variable else ""
        in_file = self._checked(key, key.path, toml[name], _from_toml) if name in toml else None
        if text:
            return self._checked(key, f"{key.spec.variable} ({key.path})", text, _from_text)
        return in_file

    def _checked(self, key: Key, where: str, raw: Any, read: Callable[[Key, Any], Any]) -> Any:
        try:
            return read(key, raw)
        except _Refused as refused:
            shown = "the value" if key.spec.secret else _shown(raw)
            self.problems.append(f"{where}: {shown} is not allowed: expected {refused}")
        return None

    def _unknown(self, path: str) -> str:
        return f"{_escaped(path)}: unknown key; the nearest known one is {_nearest(path, self._known)}"


def _from_toml(key: Key, raw: Any) -> Any:
    if key.spec.env_only:
        raise _Refused(f"it in the variable {key.spec.variable} alone: a file is copied, shown and committed")
    if get_origin(key.type) is tuple:
        return _texts(key, raw)
    if get_origin(key.type) is Mapping:
        return _named_texts(key, raw)
    return _scalar(key, raw)


def _from_text(key: Key, text: str) -> Any:
    """A variable's text as the key's type: integers and booleans read, lists parted at commas."""
    if key.type is bool:
        return _scalar(key, _BOOLEANS.get(text.strip().lower(), text))
    if key.type is int:
        return _scalar(key, int(text) if _INTEGER.fullmatch(text.strip()) else text)
    if get_origin(key.type) is tuple:
        return _texts(key, [part.strip() for part in text.split(",") if part.strip()])
    return _scalar(key, text)


def _scalar(key: Key, raw: Any) -> Any:
    if key.choices:
        return _choice(key, raw)
    if key.type is float and type(raw) is int:
        raw = float(raw)
    # `type(...) is`, because a boolean is an integer to isinstance.
    if type(raw) is not key.type or not _acceptable(key, raw):
        raise _Refused(_allowed(key))
    return raw


def _choice(key: Key, raw: Any) -> str:
    """Choices are read without regard to case: LARS_LOG_LEVEL=info is what people write."""
    for choice in key.choices:
        if isinstance(raw, str) and raw.lower() == choice.lower():
            return choice
    raise _Refused(_allowed(key))


def _texts(key: Key, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(text, str) and _acceptable(key, text) for text in raw):
        raise _Refused(f"a list of {key.spec.allowed}")
    return tuple(raw)


def _named_texts(key: Key, raw: Any) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        raise _Refused("a table of names and texts")
    for name, text in raw.items():
        if not is_name(name):
            # Not shown: it may be a token that was written on the wrong side.
            raise _Refused("names of at most 64 of A-Z a-z 0-9 _ -, the first no _ or -")
        if not isinstance(text, str) or not _acceptable(key, text):
            raise _Refused(f"{key.spec.allowed} for {name}")
    return dict(raw)


def _acceptable(key: Key, value: Any) -> bool:
    spec = key.spec
    low_enough = spec.high is None or value <= spec.high
    high_enough = spec.low is None or value >= spec.low
    return low_enough and high_enough and (spec.check is None or spec.check(value))


def _allowed(key: Key) -> str:
    """What the key takes, in words."""
    if key.choices:
        return "one of " + ", ".join(f'"{choice}"' for choice in key.choices)
    if key.type is int:
        unit = f" ({key.unit})" if key.unit else ""
        return f"an integer from {key.spec.low:,} to {key.spec.high:,}{unit}"
    if key.type is float:
        return f"a number from {key.spec.low:g} to {key.spec.high:g}"
    if key.type is bool:
        return key.spec.allowed or "true or false"
    return f"a text: {key.spec.allowed}"


def _paths(cls: type[Any]) -> list[str]:
    """Every key and every table, dotted, in the order of the file."""
    keys = [key.path.split(".") for key in keys_of(cls)]
    return list(dict.fromkeys(".".join(parts[:end]) for parts in keys for end in range(1, len(parts) + 1)))


def _nearest(path: str, known: Iterable[str]) -> str:
    """The known key most like this one; a key in the wrong table is like its namesake in another.

    Of two that are about as like, the one in the same table.
    """
    table, _, name = path.rpartition(".")

    def likeness(candidate: str) -> tuple[float, float]:
        there, _, last = candidate.rpartition(".")
        alike = _ratio(name, last) + _ratio(path, candidate) + 0.1 * (there == table)
        return (alike, _ratio(path, candidate))

    return max(known, key=likeness)


def _ratio(left: str, right: str) -> float:
    return difflib.SequenceMatcher(a=left, b=right, autojunk=False).ratio()


def _shown(raw: Any) -> str:
    kind = _KINDS.get(type(raw), "a date or time")
    text = _USER_IN_URL.sub("//...@", ascii(raw))
    return f"{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'} ({kind})"


def _escaped(text: str) -> str:
    return ascii(text)[1:-1][:_SHOWN]
