"""PostgREST's `select` and `order`, as a flat list of nodes.

Sources: docs.postgrest.org/en/v14/references/api/resource_embedding.html and tables_views.html (Vertical
filtering, Ordering).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from server.planning.dialects.postgrest_parts.filters import field_of
from server.planning.dialects.postgrest_parts.text import failed, split, unquoted
from server.values.errors import InvalidQuery

Node: TypeAlias = dict[str, Any]

_MAX_NODES = 9
_MAX_DEPTH = 4
_MAX_COLUMNS = 64
_AGGREGATES = ("avg()", "count()", "max()", "min()", "sum()")


def nodes_of(select: str | None) -> list[Node]:
    """Raises InvalidQuery."""
    root = _node(0, "", "", "")
    nodes = [root]
    _read(root, 0, "*" if select is None else select, nodes, 0)
    return nodes


def _node(parent: int, target: str, hint: str, name: str) -> Node:
    return {
        "parent": parent,
        "target": target,
        "hint": hint,
        "name": name,
        "columns": [],
        "fields": [],
        "where": [],
        "sort": None,
        "limit": None,
        "offset": 0,
        "inner": False,
        "spread": False,
        "none": None,
    }


def _read(node: Node, number: int, text: str, nodes: list[Node], depth: int) -> None:
    terms = [term.strip() for term in split(text, "select")] if text.strip() else []
    if len(terms) > _MAX_COLUMNS or depth > _MAX_DEPTH:
        raise failed(
            "select", text, f"more than {_MAX_COLUMNS} columns, or {_MAX_DEPTH} embeddings in one another"
        )
    for term in terms:
        if term.endswith(_AGGREGATES):
            raise InvalidQuery("PGRST123: Use of aggregate functions is not allowed")
        if term.endswith(")"):
            _embed(number, node, term, nodes, depth)
        else:
            _column(node, term)


def _embed(number: int, node: Node, term: str, nodes: list[Node], depth: int) -> None:
    """`...alias:target!hint!inner(columns)`."""
    head, _, rest = term.removeprefix("...").partition("(")
    alias, colon, target = head.rpartition(":")
    name, *hints = target.split("!")
    joins = {"inner", "left"}
    hint = [each for each in hints if each not in joins]
    if not name or len(hint) > 1 or len(nodes) == _MAX_NODES:
        raise failed("select", term, f"takes collection(columns), and at most {_MAX_NODES - 1} of these")
    child = _node(number, unquoted(name), hint[0] if hint else "", unquoted(alias if colon else name))
    child["inner"], child["spread"] = "inner" in hints, term.startswith("...")
    nodes.append(child)
    place = len(nodes) - 1
    _read(child, place, rest[:-1], nodes, depth + 1)
    if child["columns"]:
        node["columns"].append({"kind": "embed", "node": place})


def _column(node: Node, term: str) -> None:
    """`alias:data->a->>b::text`."""
    if term == "*":
        node["columns"].append({"kind": "all"})
        return
    body, _, cast = term.partition("::")
    alias, colon, path = body.rpartition(":")
    if cast not in ("", "text"):
        raise failed("select", term, f"there is no cast to {cast[:32]}; there is ::text")
    steps = [unquoted(step) for step in path.replace("->>", "->").split("->")]
    if not all(steps):
        raise failed("select", term, "a column is missing")
    is_text = cast == "text" or path.rpartition("->")[2].startswith(">")
    named = next((step for step in reversed(steps) if not step.isdecimal()), steps[0])
    node["fields"].append(steps[0])
    node["columns"].append(
        {"kind": "path", "steps": steps, "name": unquoted(alias) if colon else named, "text": is_text}
    )


def sort_of(node: Node, text: str) -> str | None:
    """`age.desc.nullslast,name`: nulls are the greatest, as PostgreSQL has it."""
    terms = []
    for term in filter(None, split(text, "order")):
        if term.endswith(")") or "(" in term:
            raise failed("order", term, "a list cannot be in the order of what it embeds")
        column, *words = term.split(".")
        if any(word not in ("asc", "desc", "nullsfirst", "nullslast") for word in words) or len(words) > 2:
            raise failed("order", term, "takes asc or desc, then nullsfirst or nullslast")
        field = field_of(column, "order")
        node["fields"].append(field)
        down = "desc" in words
        first = "nullsfirst" in words or (down and "nullslast" not in words)
        terms.append(f"{'-' if down else ''}{field}{'__nullsfirst' if first else ''}")
    return ",".join(terms) or None


def whole_number(key: str, text: str) -> int:
    """A limit or an offset. Raises InvalidQuery."""
    if text.startswith("-") and text[1:].isdecimal():
        raise InvalidQuery(
            "PGRST103: Requested range not satisfiable\n"
            f"{key.capitalize()} should be greater than or equal to zero."
        )
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise failed(key, text, "takes an integer from 0 up")
    return int(text)
