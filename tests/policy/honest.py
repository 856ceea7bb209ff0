"""The corpus of honest programs: what models write over the store's API and the helpers, with a request each.

`tests/data/honest/programs.txt` has them as blocks that begin with

    === STATUS METHOD PATH?QUERY [BODY as JSON] [!TOKEN] [@RESOURCE]

In PATH `{name=value}` is a slot; RESOURCE is else the last word of the path that is one; TOKEN is sent as
`Authorization: Bearer`. `seed.json` is what is stored before each.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

_DIRECTORY = Path(__file__).parent.parent / "data" / "honest"
_HEAD = re.compile(
    r"(?P<status>\d{3}) (?P<method>[A-Z]+) (?P<path>/[^\s?]*)(\?(?P<query>\S*))?"
    r"( (?P<body>[\[{].*?))?( !(?P<token>\w+))?( @(?P<resource>\w+))?"
)
_SLOT = re.compile(r"\{(\w+)=([^}]*)\}")


@dataclass(frozen=True)
class Honest:
    """One program, and the request that it answers with `status`."""

    name: str
    code: str
    status: int
    resource: str
    params: dict[str, Any]
    query: dict[str, str]
    body: Any
    ctx: dict[str, Any] = field(repr=False)

    @property
    def method(self) -> str:
        return str(self.ctx["method"])


def seed() -> dict[str, list[dict[str, Any]]]:
    """Records by collection; ids are given in order."""
    document: dict[str, list[dict[str, Any]]] = json.loads((_DIRECTORY / "seed.json").read_text("utf-8"))
    return document


def programs() -> list[Honest]:
    text = (_DIRECTORY / "programs.txt").read_text("utf-8")
    blocks = re.split(r"^=== ", text, flags=re.MULTILINE)[1:]
    return [_program(number, *block.split("\n", 1)) for number, block in enumerate(blocks, 1)]


def _program(number: int, head: str, code: str) -> Honest:
    found = _HEAD.fullmatch(head)
    assert found is not None, head
    params = {name: int(text) if text.isdigit() else text for name, text in _SLOT.findall(found["path"])}
    path = _SLOT.sub(lambda slot: slot[2], found["path"])
    words = [word for word in found["path"].split("/") if word and not word.startswith("{")]
    query = dict(parse_qsl(found["query"] or ""))
    resource = found["resource"] or next((w for w in reversed(words) if w in seed()), words[0])
    body = json.loads(found["body"]) if found["body"] else None
    ctx = {
        "method": found["method"],
        "path": path,
        "segments": path.strip("/").split("/"),
        "query": query,
        "headers": {"authorization": f"Bearer {found['token']}"} if found["token"] else {},
        "body_json": body,
        "base_url": "http://127.0.0.1:8000",
        "client": {"ip": "127.0.0.1"},
        "session": {"id": "s1", "token": None},
    }
    name = f"{number:03d} {found['method']} {found['path']}"
    return Honest(name, code, int(found["status"]), resource, params, query, body, ctx)
