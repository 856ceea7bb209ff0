"""What a plan reads and writes, as its program says."""

from __future__ import annotations

import pytest

from server.planning.kinds.effects import MAX_COLLECTIONS, MAX_FIELDS, effects_of

FEED = """\
mine = session_store["users"].search({"token": ctx["headers"].get("authorization")})
if not mine:
    abort(401, "who are you")
follows = session_store["follows"]
names = [row["followee_id"] for row in follows.search({"follower_id": mine[0]["id"]})]
posts = [post for post in store.list(sort="-created_at")[0] if post.get("author_id") in names]
for post in sorted(posts, key=by("-likes", "title")):
    post["liked"] = True
REPLY = make_response(200, posts)
"""
CHECKOUT = """\
body = ctx["body_json"]
cart = session_store["carts"].get(body["cart_id"])
for line in cart["lines"]:
    product = session_store.collection("products").get(line["product_id"])
    session_store.collection("products").update(product["id"], {"stock": product["stock"] - line["quantity"]})
order = {"cart_id": cart["id"], **body}
order["status"] = "open"
order = store.insert({**order, "created_at": now()})
session_store["carts"].delete(cart["id"])
REPLY = make_response(201, order)
"""


@pytest.mark.parametrize(
    ("code", "reads", "writes"),
    [
        (
            FEED,
            {
                "follows": ("followee_id", "follower_id"),
                "posts": ("author_id", "created_at", "likes", "title"),
                "users": ("token",),
            },
            {},
        ),
        (
            CHECKOUT,
            {"carts": ("lines",), "products": ("stock",)},
            {"carts": (), "posts": ("cart_id", "created_at", "status", "..."), "products": ("stock",)},
        ),
        ('REPLY = make_response(201, store.insert(ctx["body_json"]))', {}, {"posts": ("...",)}),
        ('store.insert_many([{**x, "n": 1} for x in plan["payload"]])', {}, {"posts": ("n", "...")}),
        ('store.update(1, {"a": 1} if x else {"b": 2})', {}, {"posts": ("a", "b")}),
        ('r = store.get(1)\nr["seen"] = 1\nstore.replace(1, r)', {"posts": ()}, {"posts": ("seen",)}),
        (
            'x = store.group(by="city", sum="total", where={"state": "open"})',
            {"posts": ("city", "state", "total")},
            {},
        ),
        ('x = "tags" in session_store', {"tags": ()}, {}),
        ('r = store.get(1) or abort(404)\nx = r["likes"]', {"posts": ("likes",)}, {}),
        (
            'x = (store.search({"slug": 1}, limit=1) or abort(404))[0]["title"]',
            {"posts": ("slug", "title")},
            {},
        ),
        (
            (
                "one = store.singleton(make=True) or abort(409)\n"
                'x = one.get()["theme"]\none.replace({"lang": "en"})'
            ),
            {"posts": ("theme",)},
            {"posts": ("lang",)},
        ),
        ('session_store["settings"].singleton().update(ctx["body_json"])', {}, {"settings": ("...",)}),
        ("store.delete_all({'old': 1})", {}, {"posts": ("old",)}),
        ('r = store.get(1) or store.get(2)\nx = r["a"]\ny = {**r}\nz = y["b"]', {"posts": ("a", "b")}, {}),
        (
            'rows, total = store.list()\nx = {r["slug"]: r for r in rows}\ny = x[1]["name"]',
            {"posts": ("name", "slug")},
            {},
        ),
        ('a = session_store["../etc"].get(1)', {}, {}),
        ("not python at all", {}, {}),
    ],
)
def test_effects(code: str, reads: dict[str, object], writes: dict[str, object]) -> None:
    """Collections and fields by name, through variables, loops and comprehensions."""
    effects = effects_of(code, "posts")

    assert dict(effects.reads) == reads
    assert dict(effects.writes) == writes


def test_what_is_named_is_bounded_and_printable() -> None:
    """A program of hostile names fills no prompt."""
    fields = ", ".join(f'"f{number:02}": 1' for number in range(99))
    many = "\n".join(f'session_store["c{number}"].get(1)' for number in range(99))
    (written,) = effects_of(f"store.insert({{{fields}}})", "posts").writes

    assert len(written[1]) == MAX_FIELDS + 1
    assert written[1][-1] == "..."
    assert len(effects_of(many, "posts").reads) == MAX_COLLECTIONS
    assert dict(effects_of('x = store.get(1)["a\\u202eb"]', "posts").reads) == {"posts": ("a\\u202eb",)}
