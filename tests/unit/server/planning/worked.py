"""Worked plans in Markdown: a title, and blocks with the request, the plan without its code, and the code."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from pathlib import Path

_SECTION = re.compile(
    r"### (?P<title>[^\n]+)\n\n```json\n(?P<request>.*?)\n```\n```json\n(?P<head>.*?)\n```\n"
    r"```python\n(?P<code>.*?)```",
    re.DOTALL,
)
#: As the prompt has its own examples: one block, request and plan on a line each.
_SHORT = re.compile(
    r"### (?P<title>[^\n]+)\n\n```\n(?P<request>\{[^\n]+\})\n(?P<head>\{[^\n]+\})\n(?P<code>.*?)```",
    re.DOTALL,
)


@frozen
class Worked:
    title: str
    request_text: str
    #: The whole answer, as a model would write it.
    answer: str

    @property
    def request(self) -> dict[str, Any]:
        request: dict[str, Any] = json.loads(self.request_text)
        return request


def worked(path: Path) -> dict[str, Worked]:
    """The worked plans in a file, by title."""
    text = path.read_text("utf-8")
    found = [_worked(match) for pattern in (_SECTION, _SHORT) for match in pattern.finditer(text)]
    assert len(found) == text.count("\n### ") + text.startswith("### ")
    return {each.title: each for each in found}


def _worked(match: re.Match[str]) -> Worked:
    code = {"language": "python", "block": match["code"]}
    answer = {**json.loads(match["head"]), "code": code}
    return Worked(match["title"], match["request"], json.dumps(answer))
