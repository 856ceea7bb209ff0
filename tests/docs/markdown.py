"""What the documentation says, in parts that tests can hold against the service: blocks, headings, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
EXAMPLES: Final = ROOT / "EXAMPLES.md"
PAGES: Final = (
    *(README, EXAMPLES),
    *(ROOT / name for name in ("THREAT_MODEL.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


@frozen
class Block:
    """A fenced block: its language, and its lines without the fence."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(language, body) for language, body in _FENCED.findall(text)]


def section(text: str, heading: str) -> str:
    """From a heading to the next one of its level or above, without what is fenced counting as a heading."""
    level = len(heading) - len(heading.lstrip("#"))
    before, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r} after {len(before)} characters"
    lines: list[str] = []
    fenced = False
    for line in rest.splitlines(keepends=True):
        fenced ^= line.startswith("```")
        if not fenced and re.match(rf"#{{1,{level}}} ", line):
            break
        lines.append(line)
    return "".join(lines)


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", text)


def links(text: str) -> list[str]:
    return _LINK.findall(prose(text))


def inline_code(text: str) -> list[str]:
    return _INLINE.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The fragments that headings can be reached by, as Git hosts make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(text))
    }
