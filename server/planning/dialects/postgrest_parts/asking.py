"""What a request to PostgREST asks for: its query, `Prefer`, `Range` and `Accept`.

Sources: docs.postgrest.org/en/v14/references/api: tables_views.html (Insertions, Upsert, Update, Delete),
pagination_count.html, preferences.html, resource_representation.html (Singular or plural, Nulls stripped).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from server.planning.dialects.frame.reading import every, first
from server.planning.dialects.frame.table import Asked
from server.planning.dialects.postgrest_parts import csv_text, filters
from server.planning.dialects.postgrest_parts.selecting import (
    check_grouped,
    nodes_of,
    place_of,
    put_order,
    whole_number,
)
from server.planning.dialects.postgrest_parts.text import failed, split, unquoted
from server.requests import media_type
from server.values.errors import InvalidQuery, NotAcceptable

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Found
    from server.planning.dialects.postgrest_parts.selecting import Node
    from server.values.model import RequestContext

_LOGIC = frozenset({"or", "and", "not.or", "not.and"})
_PAGING = frozenset({"order", "limit", "offset"})
_WRITING = frozenset({"columns", "on_conflict"})
_CHOICES = {
    "return": ("minimal", "headers-only", "representation"),
    "count": ("exact", "planned", "estimated"),
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
    "tx": ("commit", "rollback"),
}
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{0,15})")
_PLAN = "application/vnd.pgrst.plan"
_SINGLE = "application/vnd.pgrst.object"


def read(ctx: RequestContext, found: Found) -> Asked:
    """Raises InvalidQuery and NotAcceptable."""
    accept = ctx.headers.get("accept", "")
    if (
        found.kind == "list"
        and not ctx.dialect_headers.keys() - {"content-type"}
        and "vnd.pgrst" not in accept
        and _is_of_one(ctx)
    ):
        return _row_asked(ctx, found, single=False, applied=None)
    prefer = _preferences(ctx)
    if _PLAN in accept:
        raise NotAcceptable(f"{_PLAN}: there are no execution plans of PostgreSQL here")
    plain = not (ctx.query or prefer or "range" in ctx.dialect_headers or "vnd.pgrst" in accept)
    if found.kind == "list" and plain:
        return Asked({}, "list-all")
    nodes = _nodes(ctx)
    root = nodes[0]
    asked: dict[str, Any] = {
        "nodes": nodes,
        "whole": any(node["inner"] or node["none"] is not None for node in nodes) or bool(root["order"]),
        "count": "count" in prefer,
        "single": _SINGLE in accept,
        "stripped": "nulls=stripped" in accept,
        "return": prefer.get("return", "minimal"),
        "applied": ", ".join(f"{key}={value}" for key, value in prefer.items()) or None,
        "most": _most(prefer),
    }
    if found.kind == "list":
        return _list(ctx, found, nodes, asked)
    if root["order"]:
        raise failed("order", "", f"a {ctx.method} is in the order of the rows' own columns")
    if found.kind == "create":
        return Asked({**asked, **_insertion(ctx, prefer)})
    if found.kind == "put":
        return Asked({**asked, "key": _put(ctx, root)})
    return _change(ctx, found, root, asked)


def _list(ctx: RequestContext, found: Found, nodes: list[Node], asked: dict[str, Any]) -> Asked:
    root = nodes[0]
    _range(ctx, root)
    if root["aggregates"]:
        return Asked({**asked, **_groups(root)}, "list-groups")
    if len(nodes) > 1 or root["columns"] != [{"kind": "all"}] or asked["stripped"]:
        return Asked(asked)
    if _is_of_one(ctx) and not asked["count"]:
        return _row_asked(ctx, found, single=asked["single"], applied=asked["applied"])
    return Asked(asked, "list-rows")


def _groups(root: Node) -> dict[str, Any]:
    """What the store is to group by, and to compute: of each field also how many rows have it."""
    functions: dict[str, list[str]] = {}
    for each in root["aggregates"]:
        if each["field"] is not None:
            functions.setdefault(each["function"], []).append(each["field"])
            functions.setdefault("count", []).append(each["field"])
    by = [each["steps"][0] for each in root["columns"]]
    sort = root["sort"]
    terms = [] if sort is None else [term.removesuffix("__nullsfirst") for term in sort.split(",")]
    for term in terms:
        if term.lstrip("-") not in by:
            raise failed(
                "order", term, "aggregated rows are in the order of columns that they are grouped by"
            )
    computed = {key: list(dict.fromkeys(names)) for key, names in functions.items()}
    return {"by": list(dict.fromkeys(by)), "computed": computed, "order": terms or None}


def _row_asked(ctx: RequestContext, found: Found, *, single: bool, applied: str | None) -> Asked:
    id_ = (first(ctx.query, "id") or "")[3:]
    return Asked(
        {}, "list-row", {"id": id_, "table": found.resource, "single": single, "applied": applied or ""}
    )


def _is_of_one(ctx: RequestContext) -> bool:
    """`id=eq.4`, and nothing that would leave the row out."""
    id_ = ctx.query.get("id")
    plain = not ctx.query.keys() - {"id", "select"} and ctx.query.get("select", "*") == "*"
    named = plain and isinstance(id_, str) and id_.startswith("eq.") and id_ != "eq."
    return named and "range" not in ctx.dialect_headers


def _change(ctx: RequestContext, found: Found, root: Node, asked: dict[str, Any]) -> Asked:
    """PATCH and DELETE, by filter."""
    if root["limit"] is not None or root["offset"]:
        raise failed("limit", "", f"a {ctx.method} takes no limit and no offset; filter what it is about")
    if found.kind == "patch":
        if not isinstance(ctx.body_json, dict):
            raise InvalidQuery("PGRST102: The body of a PATCH is a JSON object")
        names = _names(ctx, "columns")
        asked["columns"] = names
    return Asked(asked, "" if root["where"] else f"{found.kind}-all")


# Preferences


def _preferences(ctx: RequestContext) -> dict[str, str]:
    """Those that are known, in their order; an unknown one is passed over but with `handling=strict`."""
    found: dict[str, str] = {}
    unknown: list[str] = []
    for part in ctx.dialect_headers.get("prefer", "").split(","):
        key, _, value = part.strip().partition("=")
        known = value in _CHOICES.get(key, ()) or (key == "max-affected" and value.isdecimal())
        if known:
            found.setdefault(key, value)
        elif key and key != "timezone":
            unknown.append(part.strip()[:64])
    if unknown and found.get("handling") == "strict":
        listed = ", ".join(unknown)
        raise InvalidQuery(
            f"PGRST122: Invalid preferences given with handling=strict\nInvalid preferences: {listed}"
        )
    return found


def _most(prefer: dict[str, str]) -> int | None:
    """`max-affected` counts with `handling=strict` alone."""
    value = prefer.get("max-affected")
    return int(value[:15]) if value is not None and prefer.get("handling") == "strict" else None


# The query


def _nodes(ctx: RequestContext) -> list[Node]:
    nodes = nodes_of(first(ctx.query, "select"))
    check_grouped(nodes)
    for key in ctx.query:
        if key != "select" and key not in _WRITING:
            for text in every(ctx.query, key):
                _put_into(nodes, key, text)
    return nodes


def _put_into(nodes: list[Node], key: str, text: str) -> None:
    """A filter, or a word of paging, into the node whose names stand before it: `comments.body=eq.a`."""
    node, rest = _node_of(nodes, key)
    if rest in _LOGIC:
        _check_tree(nodes, node, rest, text)
        node["where"].append(filters.tree(rest, text, node["fields"]))
    elif rest == "order":
        put_order(nodes, node, text)
    elif rest in _PAGING:
        node[rest] = whole_number(rest, text)
    else:
        embedded = next(
            (each for each in nodes[1:] if nodes[each["parent"]] is node and each["name"] == rest), None
        )
        if embedded is not None and text in ("is.null", "not.is.null"):
            embedded["none"] = text == "is.null"
        else:
            node["where"].append(filters.test(rest, text, node["fields"]))


def _check_tree(nodes: list[Node], node: Node, key: str, text: str) -> None:
    """Raises InvalidQuery for a tree that asks whether there is something embedded."""
    for each in nodes[1:]:
        asked = rf"(?:^|[(,]){re.escape(each['name'])}\.(?:not\.)?is\.null"
        if nodes[each["parent"]] is node and re.search(asked, text):
            instead = f"what is embedded stands beside it, as in {each['name']}=is.null, or !inner"
            raise failed(key, text, instead)


def _node_of(nodes: list[Node], key: str) -> tuple[Node, str]:
    node, rest = nodes[0], key
    while "." in rest and rest not in _LOGIC:
        name, _, after = rest.partition(".")
        node, rest = nodes[place_of(nodes, node, name)], after
    return node, rest


def _range(ctx: RequestContext, root: Node) -> None:
    """`Range: 0-24`, within what limit and offset leave."""
    found = _RANGE.fullmatch(ctx.dialect_headers.get("range", "").removeprefix("items=").strip())
    if found is None:
        return
    begin, end = int(found[1]), int(found[2]) if found[2] else None
    if end is not None and end < begin:
        raise InvalidQuery(
            "PGRST103: Requested range not satisfiable\n"
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        )
    offset = max(root["offset"], begin)
    ends = [end + 1] if end is not None else []
    if root["limit"] is not None:
        ends.append(root["offset"] + root["limit"])
    root["offset"], root["limit"] = offset, max(min(ends) - offset, 0) if ends else None


# Writes


def _insertion(ctx: RequestContext, prefer: dict[str, str]) -> dict[str, Any]:
    if media_type.is_text_of(ctx.dialect_headers.get("content-type", ""), csv_text.TYPE):
        table = csv_text.read(str(ctx.body_json or ""))
        return {**_insertion_asked(ctx, prefer), "columns": _names(ctx, "columns"), "table": table}
    rows = ctx.body_json if isinstance(ctx.body_json, list) else [ctx.body_json]
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidQuery("PGRST102: The body of a POST is a JSON object, or an array of objects")
    columns = _names(ctx, "columns")
    if not columns and any(row.keys() != rows[0].keys() for row in rows):
        raise InvalidQuery("PGRST102: All object keys must match")
    return {**_insertion_asked(ctx, prefer), "columns": columns, "table": None}


def _insertion_asked(ctx: RequestContext, prefer: dict[str, str]) -> dict[str, Any]:
    return {
        "missing": prefer.get("missing", "null"),
        "resolution": prefer.get("resolution"),
        "conflict": _names(ctx, "on_conflict") or ["id"],
    }


def _names(ctx: RequestContext, key: str) -> list[str]:
    text = first(ctx.query, key)
    return [filters.field_of(unquoted(name.strip()), key) for name in split(text, key)] if text else []


def _put(ctx: RequestContext, root: Node) -> str:
    """Upsert of one row: `PUT /people?id=eq.4`. Its id, as text."""
    if root["limit"] is not None or root["offset"]:
        raise InvalidQuery("PGRST114: limit/offset querystring parameters are not allowed for PUT")
    text = first(ctx.query, "id") or ""
    if len(root["where"]) != 1 or not text.startswith("eq."):
        raise InvalidQuery(
            "PGRST105: Filters must include all and only primary key columns with 'eq' operators"
        )
    rows = ctx.body_json if isinstance(ctx.body_json, list) else [ctx.body_json]
    if len(rows) != 1 or not isinstance(rows[0], dict):
        raise InvalidQuery("PGRST102: The body of a PUT is one JSON object")
    if str(rows[0].get("id")) != text[3:]:
        raise InvalidQuery("PGRST115: Payload values do not match URL in primary key column(s)")
    return text[3:]
