"""What the pages show and do, against a real service."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.console.conftest import BASE, Browser, at
from tests.operations.conftest import MEMBERS
from tools.simulators import by_route

if TYPE_CHECKING:
    from tests.answer import Answer
    from tests.operations.conftest import Operate

HOSTILE = (
    "<script>document.title='run'</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% for x in [1] %}",
    "javascript:alert(1)",
    "</textarea></pre><script>alert(1)</script>",
)


def shown(answer: Answer) -> str:
    """A page's text as a person reads it."""
    text = answer.body.decode()
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


async def test_sessions_are_made_copied_emptied_and_deleted(browser: Browser) -> None:
    assert "s1" in shown(await browser.get("/sessions"))
    assert "No session has" in shown(await browser.get("/sessions?name=nothing"))
    made = await browser.post("/sessions", session="brand-new")
    assert made.headers["Location"] == f"{BASE}/sessions/brand-new"
    assert (await browser.post("/sessions", session="a b?")).status == 400
    assert "No records yet" in shown(await browser.get("/sessions/brand-new"))

    copied = await browser.post("/sessions/s1/fork", to="copy")
    assert copied.status == 303
    assert "Copied." in shown(await browser.get(copied.headers["Location"].removeprefix(BASE)))
    assert (await browser.api.get("/members/1", "copy")).json["name"] == "Ada"
    again = await browser.post("/sessions/s1/fork", to="copy")
    assert again.status == 409
    assert "copy" in shown(again)

    assert (await browser.post("/sessions/copy/reset")).status == 303
    assert (await browser.api.get("/members/1", "copy")).status == 404
    assert (await browser.post("/sessions/copy/delete", typed="cop")).status == 422
    assert "copy" in shown(await browser.get("/sessions"))
    assert (await browser.post("/sessions/copy/delete", typed="copy")).status == 303
    assert "copy" not in re.sub(r"(?i)copyright", "", shown(await browser.get("/sessions")))


async def test_a_session_is_rewound_after_a_look(browser: Browser) -> None:
    await browser.api.ask("PATCH", "/members/1", {"name": "Bob"})
    assert "PATCH /members" in shown(await browser.get("/sessions/s1/log"))
    preview = shown(await browser.get("/sessions/s1/rewind?to=1"))
    assert "Ada" in preview
    assert (await browser.api.get("/members/1")).json["name"] == "Bob"
    assert (await browser.post("/sessions/s1/rewind", to="1")).status == 303
    assert (await browser.api.get("/members/1")).json["name"] == "Ada"
    assert "nothing to rewind" in shown(await browser.get("/sessions/s1/rewind?to=1"))


async def test_an_export_is_imported(browser: Browser) -> None:
    file = await browser.get("/sessions/s1/export")
    assert file.headers["Content-Disposition"] == 'attachment; filename="s1.tar"'
    first = await browser.put("/sessions/s2/import?replace=false", file.body)
    assert orjson.loads(first.body) == {"next": f"{BASE}/sessions/s2?said=imported"}
    assert (await browser.api.get("/members/1", "s2")).json["name"] == "Ada"
    second = await browser.put("/sessions/s2/import?replace=false", file.body)
    assert second.status == 409
    assert orjson.loads(second.body)["failed"]
    assert (await browser.put("/sessions/s2/import?replace=true", file.body)).status == 200
    assert (await browser.put("/sessions/s3/import?replace=false", b"no tar")).status == 422


async def test_records_are_found_and_shown(browser: Browser) -> None:
    for number in range(60):
        await browser.api.post("/books", {"title": f"Book {number}", "pages": number, "tags": ["a"]}, "shop")
    page = shown(await browser.get("/sessions/shop/data/books"))
    assert "1 to 50 of 60" in page
    assert "51 to 60 of 60" in shown(await browser.get("/sessions/shop/data/books?offset=50"))
    found = shown(await browser.get("/sessions/shop/data/books?q=pages__gte%3D58%26sort%3D-pages"))
    assert found.index("Book 59") < found.index("Book 58")
    assert "Book 57" not in found
    wrong = await browser.get("/sessions/shop/data/books?q=sort%3Dnothing")
    assert wrong.status == 400
    assert "nothing" in shown(wrong)
    assert "No record matches" in shown(await browser.get("/sessions/shop/data/books?q=pages%3D999"))
    assert "books" in shown(await browser.get("/sessions/shop"))


async def test_a_record_is_added_changed_and_deleted(browser: Browser) -> None:
    """Fields keep their kind; the whole record may be sent as JSON."""
    path = at("sessions", "shop", "data", "books")
    fields = {"kind.title": "text", "value.title": "One", "kind.pages": "number", "value.pages": "12"}
    added = await browser.post(f"{path}/new", **fields, added="tags", added_value='["a"]')
    assert added.status == 303
    assert (await browser.api.get("/books/1", "shop")).json == {
        "id": 1,
        "title": "One",
        "pages": 12,
        "tags": ["a"],
    }
    form = (await browser.get(f"{path}/records/1")).body.decode()
    tag = html.unescape(re.search(r'name="tag" value="([^"]+)"', form)[1])  # type: ignore[index]
    one = {"kind.id": "number", "value.id": "1", "kind.title": "text", "value.title": "Two"}
    assert (await browser.post(f"{path}/records/1", **one, tag=tag)).status == 303
    assert (await browser.api.get("/books/1", "shop")).json == {"id": 1, "title": "Two"}

    stale = await browser.post(f"{path}/records/1", **{**one, "value.title": "Mine"}, tag=tag)
    assert stale.status == 412
    assert "Mine" in stale.body.decode()
    assert (await browser.api.get("/books/1", "shop")).json["title"] == "Two"

    wrong = await browser.post(f"{path}/records/1", json='{"title": ')
    assert wrong.status == 400
    assert "line 1" in shown(wrong)
    wrong = await browser.post(f"{path}/new", **{"kind.pages": "number", "value.pages": "many"})
    assert wrong.status == 400
    assert "pages" in shown(wrong)
    whole = await browser.post(f"{path}/records/1", json='{"title": "Three", "more": {"a": null}}')
    assert whole.status == 303
    assert (await browser.api.get("/books/1", "shop")).json == {
        "id": 1,
        "title": "Three",
        "more": {"a": None},
    }
    assert (await browser.post(f"{path}/records/1/delete")).status == 303
    assert (await browser.api.get("/books/1", "shop")).status == 404
    assert (await browser.get(f"{path}/records/1")).status == 404


async def test_a_record_is_what_it_was_again(browser: Browser) -> None:
    """Restored as a client would write it, upon what was shown; also when it is not there any more."""
    await browser.api.ask("PATCH", "/members/1", {"name": "Bob"})
    path = at("sessions", "s1", "data", "members", "records", "1")
    page = (await browser.get(path)).body.decode()
    assert "<del>Ada</del>" in page
    assert "<ins>Bob</ins>" in page
    tag = html.unescape(re.search(r'name="tag" value="([^"]+)"', page)[1])  # type: ignore[index]
    restored = await browser.post(f"{path}/restore", version="1", tag=tag)
    assert restored.status == 303
    assert "Restored" in shown(await browser.get(restored.headers["Location"].removeprefix(BASE)))
    assert (await browser.api.get("/members/1")).json["name"] == "Ada"

    stale = await browser.post(f"{path}/restore", version="2", tag=tag)
    assert stale.status == 412
    assert (await browser.api.get("/members/1")).json["name"] == "Ada"
    assert (await browser.post(f"{path}/restore", version="7", tag=tag)).status == 404
    assert (await browser.post(f"{path}/restore", version="x", tag=tag)).status == 400

    assert (await browser.post(f"{path}/delete")).status == 303
    gone = await browser.get(path)
    assert "not there any more" in shown(gone)
    assert (await browser.post(f"{path}/restore", version="2", tag="")).status == 303
    assert (await browser.api.get("/members/1")).json["name"] == "Bob"
    again = await browser.post(f"{path}/restore", version="1", tag="")
    assert again.status == 409
    assert (await browser.api.get("/members/1")).json["name"] == "Bob"
    assert (await browser.post(f"{path}/restore", csrf="forged", version="1", tag="")).status == 403


async def test_a_record_s_older_versions_are_a_page_away(browser: Browser) -> None:
    for number in range(25):
        await browser.api.ask("PATCH", "/members/1", {"name": f"Name {number}"})
    path = at("sessions", "s1", "data", "members", "records", "1")
    page = (await browser.get(path)).body.decode()
    assert page.count("/restore") == 19
    older = (await browser.get(f"{path}?before=7")).body.decode()
    assert "?before=7#history" in page
    assert older.count("/restore") == 6
    assert "Made" in older


async def test_a_plan_is_read_edited_replayed_pinned_and_forgotten(browser: Browser) -> None:
    plan = await browser.operator.plan_of("GET", "/members/{id:int}")
    path = at("routes", plan["id"])
    tree = shown(await browser.get("/routes"))
    assert "/members/{id:int}" in tree
    page = shown(await browser.get(path))
    assert plan["author"] in page

    refused = await browser.post(f"{path}/edit", do="run", code="import os\nREPLY = make_response(200, 1)")
    assert refused.status == 422
    assert "Line 1, column 1" in shown(refused)
    assert "import os" in refused.body.decode()
    code = "REPLY = make_response(200, {'found': params['id']})"
    checked = await browser.post(f"{path}/edit", do="check", code=code)
    assert "The policy takes this code." in shown(checked)
    assert "found" not in (await browser.api.get("/members/1")).json

    replayed = await browser.post(f"{path}/replay", session="s1", path="/members/1", code=code)
    assert "+" in shown(replayed)
    assert '"found": 1' in shown(replayed)
    wrong = await browser.post(f"{path}/replay", session="s1", path="/others/1")
    assert wrong.status == 400

    edited = await browser.post(f"{path}/edit", do="run", code=code)
    assert edited.status == 303
    assert (await browser.api.get("/members/1")).json == {"found": 1}
    path = edited.headers["Location"].removeprefix(BASE).partition("?")[0]
    page = shown(await browser.get(path))
    assert "What the model saw" in page
    assert '"route": "/members/{id:int}"' in page or "/members/{id:int}" in page
    assert "Before 1 edit" in page
    assert "+REPLY = make_response(200, {'found': params['id']})" in page
    assert (await browser.post(f"{path}/pin", pinned="true")).status == 303
    assert (await browser.post(f"{path}/forget")).status == 409
    assert (await browser.post(f"{path}/pin", pinned="false")).status == 303
    assert (await browser.post(f"{path}/forget")).status == 303
    assert (await browser.get(path)).status == 404


async def test_requests_are_kept_where_the_settings_say_so(operate: Operate) -> None:
    """The last so many, without a header; a plan is replayed with one of them. None by default."""
    operator = await operate(by_route(MEMBERS), console={"keep_requests": 2})
    browser = Browser(operator)
    await browser.log_in()
    secret = {"Authorization": "Bearer of-the-api"}
    for name in ("Ada", "Bob", "Eve"):
        await operator.api.ask("POST", "/members", {"name": name}, **secret)
    plan = await operator.plan_of("POST", "/members")
    page = (await browser.get(at("routes", plan["id"]))).body.decode()
    assert "of-the-api" not in page
    assert ("Bob" in page, "Eve" in page, "Ada" in page) == (True, True, False)


async def test_any_request_is_tried(browser: Browser) -> None:
    tried = await browser.post("/sessions/s1/try", method="POST", path="/members", body='{"name": "Eve"}')
    assert "201" in shown(tried)
    assert (await browser.api.get("/members/2")).json["name"] == "Eve"
    assert "400" in shown(await browser.post("/sessions/s1/try", method="POST", path="/members", body="{"))
    assert (await browser.post("/sessions/s1/try", method="BREW", path="/members")).status == 400


async def test_a_route_is_tried_by_a_form_of_its_own(browser: Browser) -> None:
    """Its slots, the words of its query and the fields of its body; what is missing is said, and kept."""
    create = await browser.operator.plan_of("POST", "/members")
    page = (await browser.get(f"/sessions/s1/try?plan={create['id']}")).body.decode()
    assert 'name="kind.name" value="text"' in page
    fields = {"method": "POST", "route": "/members", "kind.name": "text", "value.name": "Eve"}
    assert "201" in shown(await browser.post("/sessions/s1/try", **fields))
    assert (await browser.api.get("/members/2")).json["name"] == "Eve"
    tried = await browser.post("/sessions/s1/try", **fields, body='{"name": "Other"}')
    assert 'value="Eve"' in tried.body.decode()
    assert (await browser.api.get("/members/3")).json["name"] == "Other"

    get = await browser.operator.plan_of("GET", "/members/{id:int}")
    page = (await browser.get(f"/sessions/s1/try?plan={get['id']}")).body.decode()
    assert 'name="slot.id"' in page
    slots = {"method": "GET", "route": "/members/{id:int}"}
    tried = await browser.post("/sessions/s1/try", **slots, **{"slot.id": "2"})
    assert '"name": "Eve"' in shown(tried)
    strange = await browser.post("/sessions/s1/try", **slots, **{"slot.id": "../x?y=1"})
    assert "404" in shown(strange) or "400" in shown(strange)
    assert (await browser.post("/sessions/s1/try", method="GET", route="no route")).status == 400
    wrong = {"kind.pages": "number", "value.pages": "many"}
    refused = await browser.post("/sessions/s1/try", method="POST", route="/members", **wrong)
    assert (refused.status, "pages: " in shown(refused)) == (400, True)
    assert (await browser.get("/sessions/s1/try?plan=ffffffffffff")).status == 404


async def test_a_deletion_is_refused_when_the_record_has_changed(browser: Browser) -> None:
    """What was shown is what goes; the refusal shows the record as it is now."""
    path = at("sessions", "s1", "data", "members", "records", "1")
    page = (await browser.get(path)).body.decode()
    tag = html.unescape(re.search(r'name="tag" value="([^"]+)"', page)[1])  # type: ignore[index]
    await browser.api.ask("PATCH", "/members/1", {"name": "Bob"})
    refused = await browser.post(f"{path}/delete", tag=tag)
    assert refused.status == 412
    assert "Bob" in refused.body.decode()
    assert (await browser.api.get("/members/1")).status == 200
    assert (await browser.post("/sessions/s1/data/members/records/77/delete")).status == 404


async def test_a_fault_says_what_to_do(browser: Browser) -> None:
    """Of a page that there is not, and of one that cannot be shown now: why, and the remedy."""
    page = shown(await browser.get("/nowhere"))
    assert "The console has no such page." in page
    assert "Check the path and its ids." in page
    failed = await browser.get("/sessions/s1/rewind?to=never")
    assert (failed.status, "Mend what detail names" in " ".join(shown(failed).split())) == (400, True)


async def test_a_sort_keeps_the_filter(browser: Browser) -> None:
    page = html.unescape(
        (await browser.get("/sessions/s1/data/members?q=name__ne%3Dx%26sort%3Dname")).body.decode()
    )
    assert "q=name__ne%3Dx%26sort%3D-name" in page
    assert "q=name__ne%3Dx%26sort%3Did" in page


async def test_traffic_is_seen_filtered_and_explained(browser: Browser) -> None:
    await browser.api.post("/books", {"title": "One"}, "shop")
    answer = await browser.api.get("/books/7", "shop")
    rows = shown(await browser.get("/traffic"))
    assert "/books/{id:int}" in rows
    assert "/members" in rows
    assert "/members" not in shown(await browser.get("/traffic?session=shop"))
    assert "/books/{id:int}" in shown(await browser.get("/traffic?status=404"))
    assert "/books/{id:int}" not in shown(await browser.get("/traffic?status=2"))
    one = shown(await browser.get(f"/traffic/requests/{answer.headers['X-Request-ID']}"))
    assert "404" in one
    assert "guest" in one
    assert (await browser.get("/traffic/requests/none")).status == 404


async def test_the_model_is_shown_and_turned_off(browser: Browser) -> None:
    assert "on" in shown(await browser.get("/model"))
    assert (await browser.post("/model/learning", learn="false")).status == 303
    assert (await browser.operator.get("/learning"))["learn"] is False
    assert (await browser.post("/model/test")).status == 200


async def test_a_request_is_explained(browser: Browser) -> None:
    """Why it took so long, why it was refused, and why this plan answered it."""
    first = browser.api.service._console._live.tail.last(9)  # type: ignore[union-attr]
    planned = next(each for each in first if each.line.plan_source == "planned")
    for _ in range(4):
        await browser.api.get("/members/1")
    page = shown(await browser.get(f"/traffic/requests/{planned.line.request_id}"))
    assert "Most of it" in page
    assert "so one was found" in page
    assert "The next such request needs no planning." in page
    assert "The plan is by" in page
    assert "Why it was refused" not in page
    missed = await browser.api.get("/members/77")
    page = shown(await browser.get(f"/traffic/requests/{missed.headers['X-Request-ID']}"))
    assert "requests of this plan" in page
    assert "The plan itself answered so" in page
    assert "had learned this route before" in page
    wrong = await browser.api.raw(
        "POST", "/members", b"{", {"X-Session-ID": "s1", "Content-Type": "application/json"}
    )
    page = shown(await browser.get(f"/traffic/requests/{wrong.headers['X-Request-ID']}"))
    assert "The body is not JSON" in page
    assert "No plan ran" in page


async def test_the_model_is_shown_with_its_budgets_and_refusals(operate: Operate) -> None:
    """What was spent, what it answered that was no plan, and why; the last refusals name no value."""
    browser = Browser(await operate(by_route(MEMBERS)))
    await browser.log_in()
    assert "0 plans (0 mended)" in shown(await browser.get("/model"))
    await browser.api.post("/members", {"name": "Ada"})
    await browser.api.post("/unknown-things", {"secret": "of-the-client"})
    page = shown(await browser.get("/model"))
    assert "1 plan (0 mended), 1 answer refused" in page
    assert "POST /unknown-things" in page
    assert "the model refuses" in page
    assert "of-the-client" not in page
    assert "closed" in page
    found = await browser.operator.get("/model")
    request = found["answers"]["refusals"][0]["request_id"]
    assert "its answer was no plan: the model refuses." in shown(
        await browser.get(f"/traffic/requests/{request}")
    )
    used = {each["name"]: each["used"] for each in found["budgets"]}
    assert used["calls_per_hour"] == 2
    assert used["tokens_per_day"] > 0
    assert found["breaker"] == {"state": "closed", "seconds": 0.0}


async def test_without_a_model_there_is_none_to_show(operate: Operate) -> None:
    browser = Browser(await operate(by_route(MEMBERS), learn=False))
    await browser.log_in()
    assert (await browser.operator.get("/model"))["breaker"] is None
    assert "Budgets" not in shown(await browser.get("/model"))


CONTRACT = """\
openapi: 3.0.0
info: {title: Shop <b>, version: "1"}
paths:
  /lamps:
    get: {operationId: listLamps, responses: {"200": {description: all}}}
    post: {operationId: addLamp, responses: {"201": {description: made}}}
  /lamps/{id}:
    get:
      operationId: getLamp
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {"200": {description: one}}
"""


async def test_a_session_s_contract_is_checked_served_and_taken_away(browser: Browser) -> None:
    """What it comes to is seen first; a fault is told with its line; nothing is served by a check."""
    path = at("sessions", "by-contract", "contract")
    checked = await browser.post(path, do="check", title="shop.yaml", document=CONTRACT)
    assert checked.status == 200
    assert "3 operations" in shown(checked)
    assert "Shop <b>" in html.unescape(checked.body.decode())
    assert "Shop <b>" not in checked.body.decode()
    assert (await browser.operator.get("/sessions/by-contract/contract"))["contract"] is None
    assert (await browser.post(path, do="serve", title="shop.yaml", document=CONTRACT)).status == 303
    served = (await browser.operator.get("/sessions/by-contract/contract"))["contract"]
    assert [each["id"] for each in served["operations"]] == ["listLamps", "addLamp", "getLamp"]
    assert (await browser.api.get("/lamps", "by-contract")).status == 200
    assert "3 operations" in shown(await browser.get(at("sessions", "by-contract")))
    for wrong in ("paths: [", "just a text", "openapi: 3.0.0\npaths: 7", "", "\x00"):
        refused = await browser.post(path, do="check", title="x", document=wrong)
        assert refused.status == 400, wrong
        assert "alert" in refused.body.decode()
    assert (await browser.post(path, do="dance")).status == 400
    assert (await browser.post(path, do="none")).status == 303
    assert (await browser.operator.get("/sessions/by-contract/contract"))["contract"] is None
    assert (await browser.post(path, do="unset")).status == 303
    for text in HOSTILE:
        document = json.dumps(
            {
                "openapi": "3.0.0",
                "info": {"title": text, "version": text},
                "paths": {f"/{text.replace('/', '')}": {"get": {"operationId": text, "responses": {}}}},
            }
        )
        page = (
            await browser.post(path, do="check", title=text.replace("\n", " "), document=document)
        ).body.decode()
        outside = re.sub(r"<script src=[^>]+></script>", "", page)
        for piece in ("<script", "<img", "<svg/"):
            assert piece not in outside


async def test_a_session_s_clock_and_seed_are_set(browser: Browser) -> None:
    fields = {"clock": "2026-03-01T12:00:00Z", "seed": "seven"}
    assert (await browser.post("/sessions/s1/fixed", **fields)).status == 303
    page = (await browser.get("/sessions/s1")).body.decode()
    assert "2026-03-01T12:00:00" in page
    assert 'value="seven"' in page
    wrong = await browser.post("/sessions/s1/fixed", clock="yesterday", seed="")
    assert wrong.status == 400
    assert "with its zone" in shown(wrong)
    assert (await browser.post("/sessions/s1/fixed", clock="", seed="")).status == 303
    assert (await browser.operator.get("/sessions/s1"))["settings"] == {}


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_clients_send_is_text_wherever_it_is_shown(browser: Browser, text: str) -> None:
    """Names of sessions, collections and fields, values, ids, queries: none of it becomes a tag."""
    await browser.api.post("/things", {"id": "x", text: text, "list": [text]}, "hostile")
    await browser.api.post("/things", {"id": text.replace("/", ""), "v": text}, "hostile")
    await browser.api.post("/things", {"id": "gone", text: text}, "hostile")
    await browser.api.ask("PATCH", "/things/gone", {text: [text]}, session="hostile")
    await browser.api.ask("DELETE", "/things/gone", session="hostile")
    path = at("sessions", "hostile", "data", "things")
    pages = [
        await browser.get(path),
        await browser.get(f"{path}?q={at(text)[1:]}"),
        await browser.get(f"{path}/records/x"),
        await browser.get(f"{path}/records/gone"),
        await browser.get(path + at("records", text.replace("/", ""))),
        await browser.get(f"{path}/new"),
        await browser.get(at("sessions", text)),
        await browser.get(f"/sessions{'?name='}{at(text)[1:]}"),
        await browser.get(f"/traffic?route={at(text)[1:]}"),
        await browser.get(f"/routes?session={at(text)[1:]}"),
        await browser.post("/sessions/hostile/try", method="GET", path="/things/x", body=text),
        await browser.post(f"{path}/records/x", json=text),
    ]
    for answer in pages:
        body = answer.body.decode()
        outside = re.sub(r"<script src=[^>]+></script>", "", body)
        for piece in ("<script", "<img", "<svg/", 'href="javascript'):
            assert piece not in outside, piece
    assert sum(text in html.unescape(answer.body.decode()) for answer in pages) >= 5


async def test_a_session_s_words_are_chosen(browser: Browser) -> None:
    """The form has what the session reads in now; another tool's words are read from then on."""
    assert (await browser.post("/sessions/s1/dialect", dialect="json-server")).status == 303
    assert "in the words of json-server" in shown(await browser.get("/sessions/s1"))
    assert (await browser.post("/sessions/s1/dialect", dialect="nonsense")).status == 400
