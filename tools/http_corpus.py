"""The HTTP corpus: hostile requests as the bytes that go over the wire, and the answers that they may get."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@frozen
class Case:
    """A request of the corpus; `expect` are the classes it may be answered in, such as 400, 2xx, close.

    `plan` says what a slow client does, step by step; such a case has no `data`.
    """

    id: str
    data: bytes
    expect: frozenset[str]
    auth: bool
    head: bool
    plan: str | None
    why: str

    def allows(self, statuses: list[int]) -> bool:
        """Whether all of what came back is in class; nothing came back where the connection was closed."""
        if not statuses:
            return "close" in self.expect
        return all({str(status), f"{status // 100}xx"} & self.expect for status in statuses)


def corpus(path: Path) -> list[Case]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [_case(row) for row in rows]


def _case(row: dict[str, Any]) -> Case:
    request = row.get("request", {})
    plan = request.get("plan")
    expect = f"{row['expect']}|{row.get('expect_also', '')}".split("|")
    return Case(
        row["id"],
        b"" if plan else _bytes(row),
        frozenset(expect) - {""},
        bool(row.get("auth")),
        request.get("method") == "HEAD",
        plan,
        row["why"],
    )


def _bytes(row: dict[str, Any]) -> bytes:
    if "raw" in row:
        return str(row["raw"]).encode("latin-1")
    request = row["request"]
    return request_bytes(request["method"], request["target"], request["headers"], _body(row))


def request_bytes(
    method: str, target: str, headers: Iterable[Iterable[str]] = (), body: bytes | None = None
) -> bytes:
    """A request exactly as told, but for Host and, where there is a body, the right Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(": ".join(header) for header in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _body(row: dict[str, Any]) -> bytes | None:
    """The body, spelled out or made by its recipe."""
    recipe = row.get("body_gen")
    if recipe is None:
        body = row["request"].get("body")
        return None if body is None else str(body).encode("latin-1")
    if "gzip_members" in recipe:
        return gzip.compress(b"") * int(recipe["gzip_members"])
    if "gzip_of" in recipe:
        return gzip.compress(_repeated(recipe["gzip_of"]))
    return _repeated(recipe)


def _repeated(recipe: dict[str, Any]) -> bytes:
    text = recipe.get("prefix", "") + recipe["repeat"] * recipe["times"] + recipe.get("suffix", "")
    return str(text).encode("latin-1")
