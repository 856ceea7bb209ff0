"""Published security advisories, and which of them apply to what is installed.

So are faults without an advisory that this service has an answer to, for whoever leaves the answer out.

They are data, `advisories.toml` beside this file, with the day until which it was kept. Nothing is looked up:
the doctor says what was known then, and where to look for what came later.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Version: TypeAlias = tuple[int, ...]

_FILE: Final = Path(__file__).with_name("advisories.toml")
_VERSION: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){1,3}")
_BOUND: Final = re.compile(r"\s*(<|>=)\s*([0-9.]+)\s*")


@frozen
class Advisory:
    """`safe` are ranges such as ``>= 48.0.4, < 49.0.0``: outside of all of them it applies."""

    id: str
    package: str
    title: str
    safe: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    def applies_to(self, version: Version) -> bool:
        return not any(_within(version, each) for each in self.safe)


@frozen
class Answered:
    """A fault of a package, seen in a version of it, and what the service does about it."""

    package: str
    seen_in: str
    fault: str
    answer: str

    def __str__(self) -> str:
        return f"{self.package} {self.seen_in}: {self.fault}; {self.answer}"


@frozen
class Advisories:
    """All that are noted. `bundled` are libraries' versions by package and release."""

    as_of: date
    sources: Mapping[str, str]
    bundled: Mapping[str, Mapping[str, str]]
    noted: tuple[Advisory, ...]
    answered: tuple[Answered, ...] = ()

    def library(self, package: str, release: str) -> str:
        """The version that counts: that of the library in a release, where it has another one."""
        return self.bundled.get(package, {}).get(release, release)

    def against(self, package: str, release: str) -> tuple[Advisory, ...] | None:
        """Those that apply to a release of a package; None for a version that cannot be compared."""
        version = parsed(self.library(package, release))
        if version is None:
            return None
        return tuple(each for each in self.noted if each.package == package and each.applies_to(version))


@cache
def noted() -> Advisories:
    """Raises OSError, and ValueError where the file is not as it should be."""
    return read(_FILE.read_text("utf-8"))


def read(text: str) -> Advisories:
    """Raises ValueError for what is no such file."""
    content = tomllib.loads(text)
    try:
        found = tuple(_advisory(each) for each in content["advisory"])
        answered = tuple(_answered(each) for each in content.get("answered", ()))
        return Advisories(content["as_of"], content["sources"], content["bundled"], found, answered)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the advisories lack {error}") from None


def _advisory(entry: dict[str, Any]) -> Advisory:
    safe = tuple(entry["safe"])
    for each in safe:
        _bounds(each)
    return Advisory(entry["id"], entry["package"], entry["title"], safe, tuple(entry.get("aliases", ())))


def _answered(entry: dict[str, str]) -> Answered:
    return Answered(entry["package"], entry["seen_in"], entry["fault"], entry["answer"])


def parsed(text: str) -> Version | None:
    """A release's number; None for anything else, such as a version before its release."""
    return _numbers(text) if _VERSION.fullmatch(text) else None


def _numbers(text: str) -> Version:
    numbers = [int(part) for part in text.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _within(version: Version, safe: str) -> bool:
    return all(
        version >= _numbers(bound) if sign == ">=" else version < _numbers(bound)
        for sign, bound in _bounds(safe)
    )


def _bounds(safe: str) -> list[tuple[str, str]]:
    found = [_BOUND.fullmatch(part) for part in safe.split(",")]
    if not all(each is not None and _VERSION.fullmatch(each[2]) for each in found):
        raise ValueError(f"{safe!r} is no range of versions, such as '>= 48.0.4, < 49.0.0'")
    return [(each[1], each[2]) for each in found if each is not None]
