"""Pieces of programs that dialects share: what a record's plain requests do, with 404 for what is not there.

Each is whole statements. `rec` is the record that was found or made.
"""

from __future__ import annotations

import textwrap

#: 404 for a collection that nobody has made.
THERE = """\
if plan["resource"] not in session_store:
    abort(404)
"""

#: The one object of a name is kept under an id that nobody has given it, and is at its name alone.
GET = """\
rec = store.get(params["id"])
if rec is None or (params["id"] in (1, "1") and store.schema().get("single") == "made"):
    abort(404)
"""

ANSWER = "REPLY = make_response(200, rec)\n"
REPLACE = GET.replace('get(params["id"])', 'replace(params["id"], ctx["body_json"])') + ANSWER
PATCH = GET.replace('get(params["id"])', 'update(params["id"], ctx["body_json"])') + ANSWER

#: `single`, which is the one object of its name, is replaced, or changed.
REPLACE_ONE = 'REPLY = make_response(200, single.replace(ctx["body_json"]))\n'
PATCH_ONE = (
    """\
rec = single.update(ctx["body_json"])
if rec is None:
    abort(404)
"""
    + ANSWER
)


def of_collection(code: str) -> str:
    """A list's program, which answers the one object where the name is that of one; 404 for neither."""
    return (
        THERE
        + """\
single = store.singleton()
if single is not None:
    rec = single.get()
    if rec is None:
        abort(404)
    REPLY = make_response(200, rec)
else:
"""
        + textwrap.indent(code, "    ")
    )


LIST_ALL = of_collection("REPLY = make_response(200, store.search())\n")

#: `items` with what points at them from the collection `name`; none where nothing there does.
CHILDREN = """\
linked = name in session_store
if linked:
    links = session_store[name].links(plan["resource"])
    linked = any(link in session_store[name].schema()["fields"] for link in links)
items = store.embed(items, name) if linked else [{**rec, name: []} for rec in items]
"""

#: `items` with what they point at by `name` and "id", in any style; left out where there is none.
PARENT = """\
pointing = f"{name}id".replace("_", "").replace("-", "").lower()
for parent in session_store.collections():
    links = [link for link in store.links(parent) if link in store.schema()["fields"]]
    if any(link.replace("_", "").replace("-", "").lower() == pointing for link in links):
        items = store.expand(items, name)
        for rec in items:
            if rec[name] is None:
                rec.pop(name)
        break
"""
