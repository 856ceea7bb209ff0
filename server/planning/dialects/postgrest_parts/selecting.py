"""PostgREST's `select` and `order`, as a flat list of nodes.

Sources: docs.postgrest.org/en/v14/references/api/resource_embedding.html and tables_views.html (Vertical
filtering, Ordering).
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from server.planning.dialects.postgrest_parts.filters import field_of
from server.planning.dialects.postgrest_parts.text import failed, split, unquoted
from server.values.errors import InvalidQuery

Node: TypeAlias = dict[str, Any]

_MAX_NODES = 9
_MAX_DEPTH = 4
_MAX_COLUMNS = 64
#: docs.postgrest.org/en/v14/references/api/aggregate_functions.html
_AGGREGATE = re.compile(
    r"(?:([^:.()]{1,64}):(?!:))?(?:([^:.()]{1,64})\.)?(avg|count|max|min|sum)\(\)(?:::([a-z0-9 ]{1,32}))?"
)
#: What a column can be cast to, by PostgreSQL's names, and how.
CASTS = {
    "text": "text", "varchar": "text",
    **dict.fromkeys(("int", "integer", "int2", "int4", "int8", "smallint", "bigint"), "integer"),
    **dict.fromkeys(("float", "float4", "float8", "real", "double precision"), "number"),
    **dict.fromkeys(("numeric", "decimal"), "number"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
}  # fmt: skip
#: `authors(name).desc` in an order.
_RELATED = re.compile(r"([^().]{1,256})\(([^()]{1,256})\)((?:\.[a-z]{1,16})*)")
_MAX_GROUPED, _MAX_AGGREGATES = 4, 15


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
        "aggregates": [],
        "fields": [],
        "where": [],
        "sort": None,
        "order": [],
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
        # `count` of an embedded resource is what clients wrote before there were aggregates.
        aggregate = _AGGREGATE.fullmatch(term)
        if aggregate is not None or (number and term == "count"):
            _aggregate(node, term, aggregate)
        elif term.endswith(")"):
            _embed(number, node, term, nodes, depth)
        else:
            _column(node, term)


def _aggregate(node: Node, term: str, found: re.Match[str] | None) -> None:
    """`total:amount.sum()::text`, and `count()`."""
    alias, field, function, cast = (None, None, "count", None) if found is None else found.groups()
    if function != "count" and field is None:
        raise failed("select", term, f"write column.{function}()")
    if cast and cast not in CASTS:
        raise failed("select", term, f"there is no cast to {cast}; there are {', '.join(CASTS)}")
    if field is not None:
        field_of(field, "select")
        node["fields"].append(field)
    node["aggregates"].append(
        {"name": alias or function, "function": function, "field": field, "cast": CASTS.get(cast or "", "")}
    )


def check_grouped(nodes: list[Node]) -> None:
    """What stands beside aggregates is what they are grouped by. Raises InvalidQuery."""
    for node in nodes:
        if not node["aggregates"]:
            continue
        plain = all(each["kind"] == "path" and len(each["steps"]) == 1 for each in node["columns"])
        if not plain or len(node["columns"]) > _MAX_GROUPED or len(node["aggregates"]) > _MAX_AGGREGATES:
            raise InvalidQuery(
                "PGRST100: select\nbeside aggregates stand the columns that they are grouped by, at most "
                f"{_MAX_GROUPED}, and no embedded resource; there are at most {_MAX_AGGREGATES} of them"
            )
    if nodes[0]["aggregates"] and len(nodes) > 1:
        raise InvalidQuery("PGRST100: select\nan aggregate of rows goes with no embedded resource")


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
    if child["columns"] or child["aggregates"]:
        node["columns"].append({"kind": "embed", "node": place})


def _column(node: Node, term: str) -> None:
    """`alias:data->a->>b::text`."""
    if term == "*":
        node["columns"].append({"kind": "all"})
        return
    body, _, cast = term.partition("::")
    alias, colon, path = body.rpartition(":")
    if cast and cast not in CASTS:
        raise failed("select", term, f"there is no cast to {cast[:32]}; there are {', '.join(CASTS)}")
    steps = [unquoted(step) for step in path.replace("->>", "->").split("->")]
    if not all(steps):
        raise failed("select", term, "a column is missing")
    is_text = path.rpartition("->")[2].startswith(">")
    kind = CASTS[cast] if cast else "text" if is_text else ""
    named = next((step for step in reversed(steps) if not step.removeprefix("-").isdecimal()), steps[0])
    node["fields"].append(steps[0])
    node["columns"].append(
        {"kind": "path", "steps": steps, "name": unquoted(alias) if colon else named, "cast": kind}
    )


def put_order(nodes: list[Node], node: Node, text: str) -> None:
    """`age.desc.nullslast,name`: nulls are the greatest, as PostgreSQL has it.

    `authors(name)` is a column of an embedded resource that there is one of (resource_embedding.html,
    Top-level Ordering). Where there is such a term, the store does not sort: the program has all in `order`.
    """
    order = [_term(nodes, node, term) for term in filter(None, split(text, "order"))]
    if any(each["node"] for each in order):
        if node is not nodes[0]:
            raise failed("order", text, "of an embedded resource, order by its own columns")
        node["order"] = order
    else:
        node["sort"] = ",".join(_sorted_by(each) for each in order) or None


def _term(nodes: list[Node], node: Node, term: str) -> dict[str, Any]:
    related = _RELATED.fullmatch(term)
    if related is None and "(" in term:
        raise failed(
            "order", term, "takes column, or resource(column), then asc, desc, nullsfirst or nullslast"
        )
    name, column, rest = related.groups() if related else ("", *_parted(term))
    words = [word for word in rest.split(".") if word]
    if any(word not in ("asc", "desc", "nullsfirst", "nullslast") for word in words) or len(words) > 2:
        raise failed("order", term, "takes asc or desc, then nullsfirst or nullslast")
    place = place_of(nodes, node, unquoted(name)) if related else 0
    field = field_of(column, "order")
    (nodes[place] if related else node)["fields"].append(field)
    down = "desc" in words
    first = "nullsfirst" in words or (down and "nullslast" not in words)
    return {"node": place, "field": field, "down": down, "first": first}


def _parted(term: str) -> tuple[str, str]:
    column, _, rest = term.partition(".")
    return column, rest


def _sorted_by(term: dict[str, Any]) -> str:
    return f"{'-' if term['down'] else ''}{term['field']}{'__nullsfirst' if term['first'] else ''}"


def place_of(nodes: list[Node], node: Node, name: str) -> int:
    """The number of what is embedded in a node under a name. Raises InvalidQuery."""
    for place, each in enumerate(nodes):
        if place and nodes[each["parent"]] is node and each["name"] == name:
            return place
    raise InvalidQuery(
        f"PGRST108: '{name[:64]}' is not an embedded resource in this request\n"
        f"Verify that '{name[:64]}' is included in the 'select' query parameter."
    )


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
