"""What the service says of HTTP holds for plans of a model as for conventions, whatever they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.learning.plans import CREATE, DELETE, GET, LIST, MEMBERS, UPDATE
from tools.simulators import Answer, asked, by_route, plan

if TYPE_CHECKING:
    from tests.learning.conftest import StartApi

_FOUND = 'rec = store.get(params["id"])\nif rec is None:\n    abort(404, "no such member")\n'
_REPLY = "\nREPLY = make_response(200, rec)"
PATCHES = {
    "json": UPDATE,
    "merge-patch": plan(
        "/members/{id:int}",
        _FOUND + 'rec = store.replace(rec["id"], merge_patch(rec, ctx["body_json"]))' + _REPLY,
    ),
    "json-patch": plan(
        "/members/{id:int}",
        _FOUND + 'rec = store.replace(rec["id"], json_patch(rec, ctx["body_json"]))' + _REPLY,
    ),
}
EMPTY = plan("/members", "store.delete_all()\nREPLY = make_response(204)")
PAGED = plan(
    "/members",
    'limit = as_int(ctx["query"].get("limit"), 2)\noffset = as_int(ctx["query"].get("offset"), 0)\n'
    "items, total = store.list(limit=limit, offset=offset)\n"
    'page = {"limit": limit, "offset": offset, "total": total}\n'
    'REPLY = make_response(200, {"items": items, "page": page})',
    query="any",
)


def by_content(request: dict[str, Any]) -> Answer:
    """A model that answers PATCH by the content kind it is shown."""
    shape = asked(request)
    if shape["method"] == "PATCH":
        return Answer(PATCHES[shape["content"]])
    return Answer({"POST": CREATE, "GET": GET}[shape["method"]])


async def test_patches_are_kinds_of_their_own(start: StartApi) -> None:
    """A plan for plain JSON is never given a patch document; each kind is planned, and learned, once."""
    api = await start(by_content)
    await api.post("/members", {"name": "Alice", "tags": ["a"]})
    merge, patch = ({"Content_Type": f"application/{kind}+json"} for kind in ("merge-patch", "json-patch"))

    for source in ("planned", "learned"):
        plain = await api.ask("PATCH", "/members/1", {"age": None})
        merged = await api.ask("PATCH", "/members/1", {"age": None, "more": {"x": 1}}, **merge)
        patched = await api.ask("PATCH", "/members/1", [{"op": "remove", "path": "/more"}], **patch)

        assert {plain.source, merged.source, patched.source} == {source}
        assert plain.json == {"id": 1, "name": "Alice", "tags": ["a"], "age": None}
        assert merged.json == {"id": 1, "name": "Alice", "tags": ["a"], "more": {"x": 1}}
        assert patched.json == {"id": 1, "name": "Alice", "tags": ["a"]}
    assert api.calls == 4
    refused = await api.ask("PATCH", "/members/1", [{"op": "remove", "path": "/more"}], **patch)
    assert (refused.status, refused.source, api.calls) == (409, "learned", 4)
    elsewhere = await api.ask("POST", "/members", {"name": "Bob"}, **merge)
    assert (elsewhere.status, api.calls) == (415, 4)


async def test_allow_is_true_session_by_session(start: StartApi) -> None:
    """OPTIONS and 405 name what conventions have for a path and what this session has learned for it."""
    archive = plan("/members/{member_id:int}/archive", "REPLY = make_response(200)")
    model = by_route({**MEMBERS, "DELETE /members": EMPTY, "POST /members/{member_id:int}/archive": archive})
    api = await start(model)
    assert (await api.ask("DELETE", "/members", session="a")).status == 204
    assert (await api.ask("POST", "/members/1/archive", session="a")).status == 200
    await api.service.close()
    frozen = await start([], learn=False)
    for session in ("a", "b"):  # without records the path might become one object
        assert (await frozen.ask("POST", "/members", {"name": "x"}, session=session)).status == 201

    async def allowed(method: str, target: str, session: str) -> tuple[int, str]:
        answer = await frozen.ask(method, target, {}, session=session)
        return answer.status, answer.headers["Allow"]

    conventional, learned = "GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, DELETE, OPTIONS"
    assert await allowed("OPTIONS", "/members", "a") == (204, learned)
    assert await allowed("PUT", "/members", "a") == (405, learned)
    assert await allowed("OPTIONS", "/members", "b") == (204, conventional)
    assert await allowed("PUT", "/members", "b") == (405, conventional)
    assert (await frozen.ask("PUT", "/members", {}, session="a")).json["allow"] == learned.split(", ")
    assert (await frozen.ask("DELETE", "/members", session="a")).status == 204
    assert (await frozen.ask("DELETE", "/members", session="b")).status == 405


async def test_options_where_only_a_model_knows(start: StartApi) -> None:
    """A path that no convention reads has what was learned; without a model, nothing else is promised."""
    deep = "/members/{member_id:int}/orders/{order_id:int}/lines"
    model = by_route({f"POST {deep}": plan(deep, "REPLY = make_response(201, {})")})
    api = await start(model)
    path = "/members/1/orders/2/lines"
    any_method = (await api.ask("OPTIONS", path)).headers["Allow"]
    assert (await api.post(path, {})).status == 201
    after = (await api.ask("OPTIONS", path)).headers["Allow"]
    await api.service.close()
    frozen = await start([], learn=False)

    assert any_method == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert after == "POST, OPTIONS"
    assert (await frozen.ask("OPTIONS", path)).headers["Allow"] == "POST, OPTIONS"
    assert (await frozen.ask("OPTIONS", path, session="other")).status == 501


async def test_lists_of_a_learned_plan(start: StartApi) -> None:
    """An envelope as the contract has it gets headers and tables; from any other nothing is guessed."""
    api = await start(by_route({**MEMBERS, "GET /members": PAGED}))
    for name in "abc":
        await api.post("/members", {"name": name})
    page = await api.get("/members?limit=2")
    table = await api.ask("GET", "/members?limit=2", Accept="text/csv")
    own_limit = await api.get("/members")

    assert page.headers["X-Total-Count"] == "3"
    assert f'<{api.service.url}/members?limit=2&offset=2>; rel="next"' in page.headers["Link"]
    assert (table.body, table.source) == (b"id,name\r\n1,a\r\n2,b\r\n", "learned")
    assert own_limit.headers["X-Total-Count"] == "3"
    assert "Link" not in own_limit.headers


async def test_an_envelope_of_the_plan_s_own(start: StartApi) -> None:
    """`{"items", "total"}` is JSON like any other."""
    api = await start(by_route({**MEMBERS, "GET /members": LIST}))
    plain = await api.get("/members")
    table = await api.ask("GET", "/members", Accept="text/csv")

    assert not {"X-Total-Count", "Link"} & plain.headers.keys()
    assert (table.status, table.json["available"]) == (406, ["application/json"])


async def test_nothing_is_planned_for_who_cannot_read_it(start: StartApi) -> None:
    """406 comes before the model is asked."""
    api = await start(by_route(MEMBERS))
    read = await api.ask("GET", "/members/1", Accept="image/png")
    write = await api.ask("POST", "/members", {"name": "Alice"}, Accept="text/csv")

    assert (read.status, write.status, api.calls) == (406, 406, 0)


async def test_a_dry_run_may_teach_but_not_write(start: StartApi) -> None:
    """The plan of a dry run is learned as any that worked; in no collection anything is kept."""
    both = plan(
        "/members",
        'rec = store.insert(ctx["body_json"])\nsession_store["log"].insert({"of": rec["id"]})\n'
        "REPLY = make_response(201, rec)",
    )
    api = await start(
        by_route({**MEMBERS, "POST /members": both, "GET /members": PAGED, "DELETE /members": DELETE})
    )
    tried = await api.ask("POST", "/members", {"name": "Alice"}, Prefer="tx=rollback")
    again = await api.ask("POST", "/members", {"name": "Alice"}, Prefer="tx=rollback")
    empty = await api.get("/members")
    done = await api.post("/members", {"name": "Alice"})

    assert (tried.status, tried.source, tried.json) == (201, "planned", {"id": 1, "name": "Alice"})
    assert (again.source, again.json) == ("learned", tried.json)
    assert tried.headers["Preference-Applied"] == "tx=rollback"
    assert empty.json["page"]["total"] == 0
    assert (done.json, done.source) == (tried.json, "learned")
    assert "Preference-Applied" not in done.headers
