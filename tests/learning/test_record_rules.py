"""What a model says of the records of a contract, once a resource schema: first values, unique, derived."""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING, Any

import orjson

from server.cli.contract import check
from server.cli.output import Output
from server.settings.reading import from_mapping
from tests.learning.conftest import start
from tools.simulators import Answer, Fault, asked, by_route

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.learning.conftest import StartApi
    from tools.simulators import Step

__all__ = ["start"]

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


LINE = {"type": "object", "properties": {"price": NUMBER, "count": WHOLE}}
SAID = {
    "title": TEXT,
    "email": TEXT,
    "first": TEXT,
    "last": TEXT,
    "lines": {"type": "array", "items": LINE},
    "password": {"type": "string", "writeOnly": True},
    "lane": {"type": "string", "default": "slow"},
}
ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["id", "phase", "likes"],
    "properties": {
        "id": WHOLE,
        **SAID,
        "phase": {"type": "string", "enum": ["new", "draft", "sent"]},
        "likes": {"type": "integer", "minimum": 0, "maximum": 9},
        "slug": TEXT,
        "name": TEXT,
        "total": NUMBER,
        "parts": WHOLE,
        "made_at": {"type": "string", "format": "date-time"},
        "shade": {"type": "string", "enum": ["red", "blue"]},
    },
}
NEW = {"type": "object", "required": ["title"], "properties": SAID}
NOTE = {
    "type": "object",
    "required": ["id", "text"],
    "properties": {"id": WHOLE, "text": TEXT, "state": TEXT},
}
WRONG = {"type": "object", "required": ["oops"], "properties": {"oops": TEXT}}
ID = {"name": "id", "in": "path", "required": True, "schema": WHOLE}
ORDERS = {"$ref": "#/components/schemas/Order"}


def contract(order: dict[str, Any] = ORDER, **members: Any) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": NEW}}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {
            "/orders": {
                "post": {"requestBody": body, "responses": {"201": content(ORDERS), "409": content(WRONG)}}
            },
            "/orders/{id}": {
                "parameters": [ID],
                "get": {"responses": {"200": content(ORDERS)}},
                "put": {"requestBody": body, "responses": {"200": content(ORDERS), "409": content(WRONG)}},
                "patch": {"requestBody": body, "responses": {"200": content(ORDERS)}},
            },
            "/notes": {
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"type": "object", "properties": {"text": TEXT}}}
                        }
                    },
                    "responses": {"201": content(NOTE)},
                }
            },
            "/notes/{id}": {"parameters": [ID], "get": {"responses": {"200": content(NOTE)}}},
        },
        "components": {"schemas": {"Order": order}},
        **members,
    }


def derived(field: str, way: str, *of: str, between: str = "") -> dict[str, Any]:
    return {"field": field, "way": way, "of": list(of), "between": between}


def first(field: str, value: Any) -> dict[str, str]:
    return {"field": field, "value": orjson.dumps(value).decode()}


GOOD = {
    "initial": [first("phase", "draft"), first("likes", 3)],
    "unique": [{"fields": ["email"]}, {"fields": ["first", "last"]}],
    "derived": [
        derived("slug", "slug", "title"),
        derived("name", "join", "first", "last", between=" "),
        derived("total", "total", "lines", "price", "count"),
        derived("parts", "count", "lines"),
    ],
}
#: Each row is about what the document says, about secrets, or about what there is not.
BAD = {
    "initial": [
        *(first("lane", "fast"), first("phase", "lost"), first("likes", 10), first("likes", "many")),
        *(first("password", "canary"), first("id", 7), first("made_at", "never"), first("nothing", 1)),
        {"field": "slug", "value": "{"},
    ],
    "unique": [
        *({"fields": [each]} for each in ("password", "id", "phase", "lines", "nothing")),
        {"fields": []},
        {"fields": ["email", "email"]},
    ],
    "derived": [
        *(
            derived("title", "copy", "email"),
            derived("slug", "copy", "password"),
            derived("id", "count", "lines"),
        ),
        *(derived("slug", "count", "lines"), derived("total", "total", "lines", "colour")),
        *(
            derived("shade", "copy", "title"),
            derived("made_at", "copy", "title"),
            derived("slug", "run", "title"),
        ),
        derived("slug", "slug", "slug"),
    ],
}


async def served(
    start: StartApi,
    tmp_path: Path,
    said: Mapping[str, Step | dict[str, Any]],
    document: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(document or contract()))
    return await start(by_route({}, records=said), contract={"file": str(path)}, **more)


async def test_one_question_a_schema_and_no_value_in_it(start: StartApi, tmp_path: Path) -> None:
    """It is asked before the first record is written, in whatever session; reading asks nothing."""
    api = await served(start, tmp_path, {"orders": GOOD})
    await api.get("/orders/1")
    read = api.calls
    made = await api.post("/orders", {"title": "Canary One", "first": "Ada", "last": "Canary"})
    await api.post("/orders", {"title": "Canary Two"}, session="s2")
    await api.ask("PATCH", "/orders/1", {"title": "Canary Three"})
    once = api.calls
    await api.post("/notes", {"text": "canary"})
    shown = [asked(each.body) for each in api.model.requests]

    assert made.status == 201
    assert (read, once, api.calls) == (0, 1, 2)
    assert [each["collection"] for each in shown] == ["orders", "notes"]
    assert "canary" not in orjson.dumps([each.body for each in api.model.requests]).decode().lower()


async def test_what_it_says_is_kept(start: StartApi, tmp_path: Path) -> None:
    """First values, what follows, and what no two share, in the error form of the document."""
    api = await served(start, tmp_path, {"orders": GOOD})
    lines = [{"price": 2.5, "count": 2}, {"price": 0.1, "count": 3}]
    sent = {"title": "A Lamp", "email": "a@x", "first": "Ada", "last": "L", "lines": lines}
    made = await api.post("/orders", sent)
    same_mail = await api.post("/orders", {"title": "b", "email": "a@x"})
    same_name = await api.post("/orders", {"title": "b", "first": "Ada", "last": "L"})
    half = await api.post("/orders", {"title": "b", "first": "Ada", "last": "M", "email": "b@x"})
    changed = await api.ask("PATCH", "/orders/1", {"title": "A Desk", "lines": lines[:1]})
    itself = await api.ask("PUT", "/orders/1", {"title": "A Desk", "email": "a@x"})
    other = await api.ask("PUT", "/orders/2", {"title": "b", "email": "a@x"})

    assert {name: made.json[name] for name in ("phase", "likes", "slug", "name", "total", "parts")} == {
        "phase": "draft", "likes": 3, "slug": "a-lamp", "name": "Ada L", "total": 5.3, "parts": 2,
    }  # fmt: skip
    assert (same_mail.status, list(same_mail.json)) == (409, ["oops"])
    assert "a@x" not in same_mail.body.decode()
    assert (same_name.status, half.status) == (409, 201)
    assert [changed.json[name] for name in ("slug", "total", "parts")] == ["a-desk", 5, 1]
    assert (itself.status, other.status) == (200, 409)


async def test_what_the_document_says_comes_first(start: StartApi, tmp_path: Path) -> None:
    """Rows about anything else than open properties do nothing, and break nothing."""
    plain = await served(start, tmp_path, {})
    expected = await plain.post("/orders", {"title": "t", "email": "e", "password": "p"})
    await plain.service.close()
    api = await served(start, tmp_path, {"orders": BAD}, root=tmp_path / "other")
    made = await api.post("/orders", {"title": "t", "email": "e", "password": "p"})
    again = await api.post("/orders", {"title": "t", "email": "e", "password": "p"})

    wanted = {name: value for name, value in expected.json.items() if name != "made_at"}
    assert {name: value for name, value in made.json.items() if name != "made_at"} == wanted
    assert made.json["lane"] == "slow"
    assert (made.status, again.status) == (201, 201)


async def test_a_person_comes_before_it(start: StartApi, tmp_path: Path) -> None:
    """`contract.toml` says what is unique, derived and first, and the answer fills in what is left."""
    told = {
        "initial": {"phase": "sent"},
        "unique": ["title"],
        "derived": {"slug": {"way": "lower", "of": ["title"]}},
    }
    document = contract(**{"x-metaservice": {"collections": {"orders": told}}})
    api = await served(start, tmp_path, {"orders": GOOD}, document)
    made = await api.post("/orders", {"title": "A Lamp", "email": "a@x"})
    same_mail = await api.post("/orders", {"title": "b", "email": "a@x"})
    same_title = await api.post("/orders", {"title": "b"})

    assert [made.json[name] for name in ("phase", "likes", "slug")] == ["sent", 3, "a lamp"]
    assert (same_mail.status, same_title.status) == (201, 409)


async def test_a_changed_schema_alone_is_asked_about_again(start: StartApi, tmp_path: Path) -> None:
    said = {"orders": GOOD}
    api = await served(start, tmp_path, said)
    await api.post("/orders", {"title": "a"})
    await api.post("/notes", {"text": "a"})
    before = api.calls
    await api.service.close()
    wider = {**ORDER, "properties": {**ORDER["properties"], "colour": TEXT}}
    later = await served(start, tmp_path, said, contract(wider))
    await later.post("/notes", {"text": "a"})
    unchanged = later.calls
    made = await later.post("/orders", {"title": "a"})

    assert before == 2
    assert (unchanged, later.calls) == (0, 1)
    assert made.json["phase"] == "draft"


async def test_unique_within_a_slot_of_the_path(start: StartApi, tmp_path: Path) -> None:
    """Also where the record has no property for it."""
    shop = {"name": "shop", "in": "path", "required": True, "schema": TEXT}
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": {"text": TEXT}}}}}
    paths = {
        "/shops/{shop}/notes": {
            "parameters": [shop],
            "post": {"requestBody": body, "responses": {"201": content(NOTE)}},
        },
        "/shops/{shop}/notes/{id}": {"parameters": [shop, ID], "get": {"responses": {"200": content(NOTE)}}},
    }
    said = {"notes": {"initial": [], "unique": [{"fields": ["text", "shop"]}], "derived": []}}
    api = await served(start, tmp_path, said, contract(paths=paths))
    asked_for = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")]
    made = [await api.post(f"/shops/{shop}/notes", {"text": text}) for shop, text in asked_for]

    assert [each.status for each in made] == [201, 201, 201, 409]


async def test_without_an_answer_it_goes_on_as_without_a_model(start: StartApi, tmp_path: Path) -> None:
    """A provider that is down, or says what is no answer, costs no request its reply."""
    down = {"orders": Fault.SERVER_ERROR, "notes": Answer({"initial": "all"})}
    api = await served(start, tmp_path, down, attempts=1)
    made = [await api.post("/orders", {"title": "a"}) for _ in range(3)]
    notes = [await api.post("/notes", {"text": "a"}) for _ in range(3)]

    assert [(each.status, each.json["phase"]) for each in made] == [(201, "new")] * 3
    assert [each.status for each in notes] == [201] * 3
    assert api.calls == 2


async def test_it_is_asked_again_later(start: StartApi, tmp_path: Path) -> None:
    """As soon as the pause is over."""
    steps: list[Step] = [Fault.SERVER_ERROR]
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract()))

    def script(request: dict[str, Any]) -> Step:
        return steps.pop() if steps else Answer(GOOD)

    api = await start(script, contract={"file": str(path)}, attempts=1, breaker_seconds=1)
    phases: list[str] = []
    while "draft" not in phases:
        phases.append((await api.post("/orders", {"title": "a"})).json["phase"])

    assert phases[0] == "new"
    assert api.calls == 2


async def test_nobody_is_asked_where_the_settings_say_so(start: StartApi, tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract()))
    script = by_route({}, records={"orders": GOOD})
    api = await start(script, contract={"file": str(path), "ask_about_records": False})
    made = await api.post("/orders", {"title": "a"})

    assert (made.json["phase"], api.calls) == ("new", 0)


async def test_operators_read_what_counts(start: StartApi, tmp_path: Path) -> None:
    """`explain`, `contract show` and `contract check` tell it; `contract diff` says what is asked anew."""
    auth = {"admin_token": "open-sesame"}
    api = await served(start, tmp_path, {"orders": GOOD}, auth=auth)
    ask = {"session": "s1", "method": "POST", "path": "/orders", "body": {"title": "a"}}
    before = await operator(api, "POST", "explain", ask)
    await api.post("/orders", {"title": "a"})
    after = await operator(api, "POST", "explain", ask)
    shown = await operator(api, "GET", "sessions/s1/contract")
    wider = contract({**ORDER, "properties": {**ORDER["properties"], "colour": TEXT}})
    differs = await operator(api, "POST", "contract/diff", {"document": wider})
    same = await operator(api, "POST", "contract/diff", {"document": contract()})
    checked = await printed(api, tmp_path)

    assert before["why"][-1] == "A model is asked about its records, once, before the first is written."
    assert [each for each in after["why"] if each.startswith("Of its records")] == [
        f"Of its records: {each}." for each in RULES
    ]
    assert [each["rules"] for each in shown["contract"]["resources"]] == [RULES, []]
    assert (differs["rules"], same["rules"]) == (["orders"], [])
    assert [line for line in checked if line.startswith("orders: ")] == [f"orders: {each}." for each in RULES]
    assert api.calls == 1


RULES = [
    'phase is "draft" at first',
    "likes is 3 at first",
    "no two have the same email",
    "no two have the same first and last",
    "slug is the slug of title",
    "name is the join of first, last",
    "total is the total of lines, price, count",
    "parts is the count of lines",
]


async def operator(api: Any, method: str, page: str, body: Any = None) -> Any:
    return (await api.ask(method, f"/_meta/{page}", body, Authorization="Bearer open-sesame")).json


async def printed(api: Any, tmp_path: Path) -> list[str]:
    """What `contract check` says beside the service."""
    stream = io.StringIO()
    options = argparse.Namespace(file=tmp_path / "api.json")
    toml = {
        "store": {"data_root": str(tmp_path / "data")},
        "planner": {"provider": "openai", "allowed_hosts": ["127.0.0.1"]},
    }
    keys = {"OPENAI_BASE_URL": api.model.base_url, "OPENAI_API_KEY": "sk-canary-key"}
    assert await check(options, from_mapping(toml, keys), Output(as_json=False, stream=stream)) == 0
    return stream.getvalue().splitlines()
