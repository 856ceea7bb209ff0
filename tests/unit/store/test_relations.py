"""Records with their children and parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidQuery

if TYPE_CHECKING:
    from store.session_store import Session, SessionStore


@pytest.fixture
def shop(session: Session) -> SessionStore:
    """Two teams, three members, three orders with lines; foreign keys of all the types they come in."""
    session.begin(read_only=False)
    view = session.plan_view
    view["teams"].insert_many([{"name": "Red"}, {"id": "blue", "name": "Blue"}])
    view["members"].insert_many(
        [{"name": "A", "team_id": 1}, {"name": "B", "team_id": "blue"}, {"name": "C"}]
    )
    view["orders"].insert_many([{"member_id": 1}, {"member_id": "2"}, {"member_id": 1.0}, {"member_id": 9}])
    view["lines"].insert_many([{"order_id": 1, "sku": "x"}, {"order_id": 1, "sku": "y"}, {"order_id": [1]}])
    return view


def ids(records: list[dict[str, Any]]) -> list[Any]:
    return [record["id"] for record in records]


def test_embed(shop: SessionStore) -> None:
    """Each record has its children by id, however they name it; one without has an empty list."""
    members = shop["members"].embed(shop["members"].search(), "orders")

    assert [ids(member["orders"]) for member in members] == [[1, 3], [2], []]
    assert "orders" not in (shop["members"].get(1) or {})


def test_embed_two_steps(shop: SessionStore) -> None:
    """Children have theirs."""
    member = shop["members"].embed(shop["members"].get(1), "orders.lines")

    assert [ids(order["lines"]) for order in member["orders"]] == [[1, 2], []]


def test_expand(shop: SessionStore) -> None:
    """Each record has its parent, or None; a parent has its own."""
    orders = shop["orders"].expand(shop["orders"].search(), ["member.team", "member"])

    assert [order["member"] and order["member"]["name"] for order in orders] == ["A", "B", "A", None]
    assert [order["member"]["team"]["name"] for order in orders[:3]] == ["Red", "Blue", "Red"]


@pytest.mark.parametrize("names", [None, "", []])
def test_no_relation(shop: SessionStore, names: Any) -> None:
    """What is not asked for is not looked for."""
    record = shop["members"].get(1)

    assert shop["members"].embed(record, names) == shop["members"].expand(record, names) == record
    assert shop["members"].embed([], "orders") == []


def test_one_query_a_relation(shop: SessionStore, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records there are."""
    orders = shop["orders"].search()
    seen: list[str] = []
    rows = session._database.rows

    def counted(sql: str, params: Any = ()) -> Any:
        seen.append(sql)
        return rows(sql, params)

    monkeypatch.setattr(session._database, "rows", counted)
    shop["orders"].expand(shop["orders"].embed(orders, "lines"), "member.team")

    assert len(seen) == 3


@pytest.mark.parametrize(
    ("method", "names", "reason"),
    [
        ("embed", "nothing", "no collection 'nothing'"),
        ("embed", "orders.nothing", "no collection 'nothing'"),
        ("embed", "orders.lines.x", "more than 2 steps"),
        ("embed", "orders,", "a name is missing"),
        ("embed", ["orders", 5], "takes names of relations"),
        ("expand", "boss", "no collection that 'boss_id' points at"),
        ("expand", "team.x", "no collection that 'x_id' points at"),
    ],
)
def test_what_is_no_relation(shop: SessionStore, method: str, names: Any, reason: str) -> None:
    """The error names it."""
    members = shop["members"]

    with pytest.raises(InvalidQuery, match=reason):
        (members.embed if method == "embed" else members.expand)(members.search(), names)


def test_limits_of_rows(shop: SessionStore) -> None:
    """1,000 records a step; one more is refused with the remedy."""
    shop["notes"].insert_many([{"member_id": 3} for _ in range(1_000)])
    members = shop["members"]
    assert len(members.embed(members.get(3), "notes")["notes"]) == 1_000
    shop["notes"].insert({"member_id": 3})

    with pytest.raises(InvalidQuery, match=r"embed=notes: more than 1000 records.*limit="):
        members.embed(members.get(3), "notes")


def test_limits_of_relations(shop: SessionStore) -> None:
    """Eight, each step counted once."""
    names = [f"n{number}s" for number in range(9)]
    for name in names:
        shop[name].insert({})
    member = shop["members"].get(1)

    assert shop["members"].embed(member, ",".join(names[:8]))["n7s"] == []
    with pytest.raises(InvalidQuery, match="more than 8"):
        shop["members"].embed(member, ",".join(names))


@pytest.mark.parametrize("field", ["post_id", "postId", "postID"])
def test_links_are_spelt_as_the_collection_has_them(session: Session, field: str) -> None:
    """Relations follow the field in whatever style it is written, and say which one to write."""
    view = session.plan_view
    view["posts"].insert({"title": "a"})
    view["comments"].insert_many([{field: 1}, {field: "1"}, {field: 2}])

    assert view["comments"].links("posts") == [field]
    assert view["comments"].links("posts", {"post_id": 9})[0] == field
    assert ids(view["posts"].embed(view["posts"].get(1), "comments")["comments"]) == [1, 2]
    assert view["comments"].expand(view["comments"].get(2), "post")["post"] == {"id": 1, "title": "a"}


def test_links_of_a_new_collection(session: Session) -> None:
    """Spelt as the record to be written has it, else in the style of its fields, else in ours."""
    comments = session.plan_view["comments"]

    assert comments.links("blogPosts", {"blogPostId": 3}) == ["blogPostId"]
    assert comments.links("blogPosts", {"createdAt": 3}) == ["blogPostId"]
    assert comments.links("blogPosts", {"userID": 3}) == ["blogPostID"]
    assert comments.links("blogPosts", {"userId": 3, "created_at": 3}) == ["blog_post_id"]
    assert comments.links("blogPosts") == comments.links("blogPosts", {"text": ""}) == ["blog_post_id"]


def test_records_of_both_spellings_are_found(session: Session) -> None:
    """Nobody is left out because another client spelt the field otherwise."""
    view = session.plan_view
    view["posts"].insert({"title": "a"})
    view["comments"].insert_many([{"postId": 1}, {"post_id": 1}, {"post_id": 1, "postId": 1}])

    assert ids(view["posts"].embed(view["posts"].get(1), "comments")["comments"]) == [1, 2, 3]
    assert [each["post"]["id"] for each in view["comments"].expand(view["comments"].search(), "post")] == [
        1,
        1,
        1,
    ]


def test_relations_that_there_are_not(session: Session) -> None:
    """They are refused with what was looked for, or with what was meant."""
    view = session.plan_view
    view["posts"].insert({"title": "a"})
    view["comments"].insert({"text": "b"})
    post, comment = view["posts"].get(1), view["comments"].get(1)

    with pytest.raises(InvalidQuery, match="comments has no field post_id, postId or postID"):
        view["posts"].embed(post, "comments")
    with pytest.raises(InvalidQuery, match="no collection 'comment'; write comments"):
        view["posts"].embed(post, "comment")
    with pytest.raises(InvalidQuery, match="comments has no field post_id, postId or postID"):
        view["comments"].expand(comment, "post")
    for name in ("posts", "post_id", "postId"):
        with pytest.raises(InvalidQuery, match=f"expand={name}: write expand=post"):
            view["comments"].expand(comment, name)
