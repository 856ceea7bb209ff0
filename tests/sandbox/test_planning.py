"""The prompt's own examples, plans written from the prompt, and the reading of schemas, in the real guest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import server.planning.prompt
from server.pipeline import job_for
from server.planning.codec import decode
from server.planning.kinds.schemas import Schemas, read_schemas
from server.planning.kinds.shape import shape_of
from server.planning.policy import check
from server.values.errors import SessionDamaged
from server.values.model import RunnablePlan, Session
from server.values.replies import reply_to
from tests.unit.server.planning.requests import NO_BODY, a_request
from tests.unit.server.planning.worked import worked
from wasm_runtime import runner
from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.values.model import Method, RequestContext
    from tests.sandbox.conftest import Sandbox
    from tests.unit.server.planning.worked import Worked
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

OLD = "0123456789abcdef" * 2
EXAMPLES = worked(Path(server.planning.prompt.__file__).with_name("examples.md"))
TRIED = worked(Path(__file__).parent.parent / "data" / "tried_answers.md")


class Executor:
    """The pool's protocol over a runner in this process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._next = 1_000

    async def run(self, job: Job) -> Outcome:
        return self.run_now(job)

    def run_now(self, job: Job) -> Outcome:
        self._next += 1
        inner = runner.Job(self._next, job.plan_id, job.plan, job.read_only, job.request)
        return self._sandbox.run_job(job.session, inner)

    async def start(self) -> None: ...

    def health(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None: ...


class Api:
    """A session that is served by worked plans; `seed` stores records without one."""

    def __init__(self, sandbox: Sandbox, plans: dict[str, Worked]) -> None:
        self._sandbox = sandbox
        self._plans = plans
        self.executor = Executor(sandbox)

    def seed(self, collection: str, *records: dict[str, Any]) -> None:
        code = f'REPLY = make_response(201, session_store["{collection}"].insert_many(ctx["body_json"]))'
        outcome = self._sandbox.run(code, session="d1", body=list(records))
        assert isinstance(outcome, Completed), outcome
        assert outcome.status == 201

    def records(self, collection: str) -> list[dict[str, Any]]:
        outcome = self._sandbox.run(
            f'REPLY = make_response(200, session_store["{collection}"].search({{}}))', session="d1"
        )
        assert isinstance(outcome, Completed), outcome
        found: list[dict[str, Any]] = orjson.loads(outcome.body or b"[]")
        return found

    def __call__(
        self, title: str, method: Method, path: str, body: Any = NO_BODY, **more: Any
    ) -> tuple[int, Any, dict[str, str]]:
        ctx = a_request(method, path, body=body, **more)
        reply = reply_to(self.executor.run_now(job_for(ctx, self.plan(title, ctx))), "r1")
        return reply.status, orjson.loads(reply.body or b"null"), dict(reply.headers)

    def plan(self, title: str, ctx: RequestContext) -> RunnablePlan:
        plan = decode(self._plans[title].answer, ctx.segments)
        return RunnablePlan(plan, check(plan.code), "planned")


@pytest.fixture
def examples(sandbox: Sandbox) -> Api:
    return Api(sandbox, EXAMPLES)


@pytest.fixture
def tried(sandbox: Sandbox) -> Api:
    return Api(sandbox, TRIED)


def shows_the_request(worked: Worked, ctx: RequestContext) -> bool:
    """Whether a worked plan was written for a request of this shape, which may leave out what is empty."""
    empty = {"query": {}, "content": "none", "body": None, "headers": []}
    return {**empty, **worked.request, "collections": 0, "learned_routes": 0} == {
        **orjson.loads(shape_of(ctx).canonical()),
        "collections": 0,
        "learned_routes": 0,
    }


def test_example_checkout(examples: Api) -> None:
    """The first example moves stock, order and cart together, and undoes all of it when stock is short."""
    title = "An action over three collections"
    examples.seed("products", {"price": 7.5, "stock": 3}, {"price": 20, "stock": 1})
    mugs, pots = {"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 2}
    examples.seed("carts", {"lines": [mugs], "status": "open"}, {"lines": [mugs, pots], "status": "open"})
    body = {"cart_id": 1, "email": "a@b"}

    assert shows_the_request(EXAMPLES[title], a_request("POST", "/checkout", body=body))
    status, order, headers = examples(title, "POST", "/checkout", body)
    assert (status, order["total"], headers) == (201, 15.0, {"Location": "/orders/1"})
    assert examples(title, "POST", "/checkout", body)[0] == 409
    assert examples(title, "POST", "/checkout", {**body, "cart_id": 2})[0] == 409
    assert examples(title, "POST", "/checkout", {**body, "cart_id": 9})[0] == 422
    assert [product["stock"] for product in examples.records("products")] == [1, 1]
    assert len(examples.records("orders")) == 1


def test_example_report(examples: Api) -> None:
    title, path = "A report", "/reports/revenue-by-month"
    examples.seed(
        "orders",
        {"created_at": "2026-02-03T10:00:00Z", "total": 0.1, "status": "open"},
        {"created_at": "2026-02-04T10:00:00Z", "total": 0.2, "status": "paid"},
        {"created_at": "2026-02-05T10:00:00Z", "total": 9, "status": "cancelled"},
        {"created_at": "2025-12-31T23:59:59Z", "total": 5, "status": "paid"},
        {"total": 5},
    )
    february = {"month": "2026-02", "revenue": 0.3, "orders": 2}

    def rows(start: str, end: str) -> Any:
        return examples(title, "GET", path, query={"from": start, "to": end})[1]

    assert shows_the_request(EXAMPLES[title], a_request("GET", path, query={"from": "x", "to": "2026-02"}))
    assert rows("2026-01", "2026-02") == [february]
    assert rows("2025-12-31", "2026") == [{"month": "2025-12", "revenue": 5.0, "orders": 1}, february]
    assert rows("2026-02-04", "2026-02-04") == [{"month": "2026-02", "revenue": 0.2, "orders": 1}]
    assert examples(title, "GET", path, query={"from": "soon", "to": "2026"})[0] == 400


def test_example_slug(examples: Api) -> None:
    """A plan for one page's word serves all pages, and makes those that are missing."""
    title = "A word that names a record"
    body = {"title": "About", "text": "us"}

    assert shows_the_request(EXAMPLES[title], a_request("PUT", "/pages/about-us", body=body))
    status, page, headers = examples(title, "PUT", "/pages/about-us", body)
    assert (status, headers) == (201, {"Location": "/pages/about-us"})
    assert page == {"id": 1, **body, "slug": "about-us"}
    assert examples(title, "PUT", "/pages/about-us", {"title": "New", "slug": "x"})[:2] == (
        200,
        {"id": 1, "title": "New", "slug": "about-us"},
    )
    assert examples(title, "PUT", "/pages/imprint-2", body)[1]["id"] == 2
    assert examples(title, "PUT", "/pages/about-us", ["no object"])[0] == 422


def test_example_list(examples: Api) -> None:
    """Filters, one that is no field, and both ways of paging together; a total beside the page."""
    title = "A list with filters and pages"
    examples.seed("products", *({"name": f"Mug {n}", "category": "cups", "price": n} for n in range(1, 6)))
    query = {"max_price": "4.5", "page": "2", "per_page": "2", "category": "cups"}

    assert shows_the_request(EXAMPLES[title], a_request("GET", "/products", query=query))
    _, reply, _ = examples(title, "GET", "/products", query=query | {"sort": "-price", "q": "MUG"})
    assert [item["price"] for item in reply["items"]] == [2, 1]
    assert reply["page"] == {"limit": 2, "offset": 2, "total": 4}
    assert len(examples(title, "GET", "/products")[1]["items"]) == 5
    _, reply, _ = examples(title, "GET", "/products", query={"limit": "1", "offset": "4"})
    assert [item["price"] for item in reply["items"]] == [5]
    assert examples(title, "GET", "/products", query={"page": "0"})[0] == 400
    assert examples(title, "GET", "/products", query={"page_size": "many"})[0] == 400


def test_example_nested(examples: Api) -> None:
    """The parent must be there; one record or a list of them, each of the parent that the path names."""
    title, path = "A new record of a parent", "/members/1/notes"
    examples.seed("members", {"name": "Ann"})

    assert shows_the_request(EXAMPLES[title], a_request("POST", path, body={"text": "x"}))
    status, note, headers = examples(title, "POST", path, {"text": "x", "member_id": 9})
    assert (status, note) == (201, {"id": 1, "text": "x", "member_id": 1})
    assert headers == {"Location": "/members/1/notes/1"}
    assert [each["id"] for each in examples(title, "POST", path, [{"text": "y"}, {}])[1]] == [2, 3]
    assert examples(title, "POST", "/members/2/notes", {"text": "x"})[0] == 404
    assert [examples(title, "POST", path, body)[0] for body in ("x", [1], None)] == [422] * 3


def test_example_token(examples: Api) -> None:
    """401 without a good token, 403 for another's post, and neither author nor url from the client."""
    title = "A change that needs a token, with a `url` by house rules"
    examples.seed("users", {"username": "ann", "token": "t1"}, {"username": "bob", "token": "t2"})
    examples.seed("posts", {"author_id": 1, "title": "x"})

    def change(token: str | None, path: str = "/posts/1", **body: Any) -> tuple[int, Any, dict[str, str]]:
        headers = {} if token is None else {"authorization": token}
        return examples(title, "PATCH", path, {"title": "y", **body}, headers=headers)

    ctx = a_request("PATCH", "/posts/1", body={"title": "y"}, headers={"authorization": "Bearer t1"})
    assert shows_the_request(EXAMPLES[title], ctx)
    assert change("Bearer t1", author_id=2, url="x")[1] == {
        "id": 1,
        "author_id": 1,
        "title": "y",
        "url": "http://localhost:8000/posts/1",
    }
    assert [change(token)[0] for token in (None, "Bearer", "Bearer none")] == [401] * 3
    assert change("Bearer t2")[0] == 403
    assert change("Bearer t2", "/posts/2")[0] == 404
    assert "url" not in examples.records("posts")[0]


async def test_schemas_of_a_session(examples: Api) -> None:
    """Names and types are read through the guest; of arrays and objects, one level of names."""
    examples.seed("carts", {"lines": [{"sku": "x", "n": 1}, {"sku": None}], "open": True}, {"note": None})
    examples.seed("visits", {"pages": {f"page{n}": n for n in range(30)}})

    schemas = await read_schemas(examples.executor, Session("s1", "d1"))

    assert schemas.as_json() == {
        "carts": {
            "id": "integer",
            "lines": {"array": {"object": {"n": "integer", "sku": ["null", "string"]}}},
            "note": "null",
            "open": "boolean",
        },
        "visits": {"id": "integer", "pages": "object"},
    }
    assert schemas.types()["carts"]["lines"] == ("array",)


async def test_schemas_of_an_empty_session(examples: Api) -> None:
    assert await read_schemas(examples.executor, Session("s1", "d1")) == Schemas()


async def test_words_are_shown_only_when_disclosed(examples: Api) -> None:
    """Few short words may be shown; many words, other texts and fields named like secrets never are."""
    orders = [
        {"status": status, "ref": f"r-{chr(97 + n)}", "mail": "a@b", "token": "abc"}
        for n, status in enumerate(["in-transit", "open"] * 7)
    ]
    examples.seed("orders", *orders)
    session = Session("s1", "d1")

    hidden = await read_schemas(examples.executor, session)
    shown = await read_schemas(examples.executor, session, disclose="shapes_and_enums")

    assert "transit" not in str(hidden)
    assert shown.as_json()["orders"] == {
        "id": "integer",
        "mail": "string",
        "ref": "string",
        "status": {"string": ("in-transit", "open")},
        "token": "string",
    }
    assert shown.types() == hidden.types()


async def test_collections_of_the_path_come_first(examples: Api) -> None:
    """However many collections there are, those that the path names are shown."""
    for number in range(40):
        examples.seed(f"c{number}", {"n": number})
    examples.seed("zebras", {"stripes": 9})

    schemas = await read_schemas(examples.executor, Session("s1", "d1"), ("zebras", "7"))

    assert "zebras" in schemas
    assert len(schemas.collections) == 32
    assert schemas.more


async def test_a_session_that_cannot_be_read(sandbox_over: Callable[[Path], Sandbox], tmp_path: Path) -> None:
    """A failed run is the service's error, never an empty session."""
    (tmp_path / OLD).mkdir()
    (tmp_path / OLD / "store.db").write_bytes(b"no database" * 1000)

    with pytest.raises(SessionDamaged):
        await read_schemas(Executor(sandbox_over(tmp_path)), Session("s1", OLD))


def test_tried_checkout(tried: Api) -> None:
    """Three collections change together or not at all, and a body that makes no sense is a 422."""
    title = "Checkout with a coupon"
    tried.seed(
        "products", {"name": "Mug", "price": 7.5, "stock": 3}, {"name": "Pot", "price": 20, "stock": 1}
    )
    tried.seed("customers", {"email": "a@b", "orders_placed": 0})
    tried.seed("coupons", {"code": "HALF", "percent": 50})
    mugs, pots = {"product_id": 1, "qty": 2}, {"product_id": 2, "qty": 2}
    body = {"customer_id": 1, "items": [mugs], "coupon": "HALF"}

    assert shows_the_request(TRIED[title], a_request("POST", "/checkout", body=body))
    status, order, headers = tried(title, "POST", "/checkout", body)
    assert (status, order["total"], headers["Location"]) == (201, 7.5, "/orders/1")
    assert tried(title, "POST", "/checkout", {**body, "items": [{**mugs, "qty": 1}, pots]})[0] == 409
    assert tried(title, "POST", "/checkout", {**body, "items": [{**mugs, "qty": 0}]})[0] == 422
    assert tried(title, "POST", "/checkout", {**body, "coupon": "NONE", "items": []})[0] == 422
    assert [product["stock"] for product in tried.records("products")] == [1, 1]
    assert tried.records("customers")[0]["orders_placed"] == 1
    assert len(tried.records("orders")) == 1


def test_tried_cancel(tried: Api) -> None:
    title = "Cancel an order and give back its stock"
    tried.seed("products", {"stock": 1})
    tried.seed(
        "orders", {"status": "open", "items": [{"product_id": 1, "qty": 2}, {"product_id": 9, "qty": 1}]}
    )

    assert shows_the_request(TRIED[title], a_request("POST", "/orders/1/cancel"))
    assert tried(title, "POST", "/orders/1/cancel")[:2] == (200, tried.records("orders")[0])
    assert tried.records("products") == [{"id": 1, "stock": 3}]
    assert tried(title, "POST", "/orders/1/cancel")[0] == 409
    assert tried(title, "POST", "/orders/5/cancel")[0] == 404


def test_tried_report(tried: Api) -> None:
    title, path = "Revenue by month from other field names", "/reports/revenue-by-month"
    tried.seed(
        "invoices",
        {"amount": 0.1, "paid_on": "2026-02-28"},
        {"amount": 0.2, "paid_on": "2026-02-01"},
        {"amount": 3, "paid_on": "2025-11-30"},
        {"amount": 5, "paid_on": None},
        {"amount": 5},
    )

    assert shows_the_request(TRIED[title], a_request("GET", path, headers={"accept": "x"}))
    assert tried(title, "GET", path)[1] == [
        {"month": "2025-11", "revenue": 3.0},
        {"month": "2026-02", "revenue": 0.3},
    ]


def test_tried_article(tried: Api) -> None:
    """The word became a slot; the plan serves other articles, and readers with and without a token."""
    title, path = "An article by its slug", "/articles/how-to-train-your-dragon"
    tried.seed("users", {"username": "jake", "token": "t0k"}, {"username": "ann", "token": "t1k"})
    tried.seed(
        "articles", {"slug": "how-to-train-your-dragon", "author_id": 1}, {"slug": "b-2", "author_id": 2}
    )
    tried.seed("favorites", {"article_id": 1, "user_id": 2})
    headers = {"authorization": "Token t1k"}

    assert shows_the_request(TRIED[title], a_request("GET", path, headers=headers))
    mine = tried(title, "GET", path, headers=headers)[1]["article"]
    assert (mine["favorited"], mine["favoritesCount"], mine["author"]["username"]) == (True, 1, "jake")
    assert tried(title, "GET", path)[1]["article"]["favorited"] is False
    assert tried(title, "GET", "/articles/b-2")[1]["article"]["author"]["username"] == "ann"
    assert tried(title, "GET", "/articles/none")[0] == 404


def test_tried_login(tried: Api) -> None:
    """A login gives a token and never a password; a wrong one is 401, a missing field 422."""
    title, path = "Log in", "/users/login"
    hashed = 'REPLY = make_response(200, store.insert({"email": "a@b", "password": hash_secret("pw")}))'
    tried._sandbox.run(hashed.replace("store.", 'session_store["users"].'), session="d1")
    user = {"email": "a@b", "password": "pw"}

    assert shows_the_request(TRIED[title], a_request("POST", path, body={"user": user}))
    status, reply, _ = tried(title, "POST", path, {"user": user})
    assert status == 200
    assert reply["user"]["token"] == tried.records("users")[0]["token"]
    assert "password" not in reply["user"]
    assert tried(title, "POST", path, {"user": {**user, "password": "no"}})[0] == 401
    assert tried(title, "POST", path, {"user": {**user, "email": "c@d"}})[0] == 401
    assert tried(title, "POST", path, {"user": {"email": "a@b"}})[0] == 422
    assert tried(title, "POST", path, {"user": {**user, "password": 7}})[0] == 422


def test_tried_todo(tried: Api) -> None:
    title = "Change a todo"
    tried.seed("todos", {"title": "x", "completed": False, "order": 1})

    assert shows_the_request(TRIED[title], a_request("PATCH", "/todos/1", body={"completed": True}))
    assert tried(title, "PATCH", "/todos/1", {"completed": True})[1] == {
        "id": 1,
        "title": "x",
        "completed": True,
        "order": 1,
        "url": "http://localhost:8000/todos/1",
    }
    assert tried(title, "PATCH", "/todos/2", {"completed": True})[0] == 404


def test_tried_transfer(tried: Api) -> None:
    """Both balances change together with the record of it, or nothing does."""
    title, path = "Transfer money", "/accounts/1/transfers"
    tried.seed("accounts", {"owner": "ann", "balance": 20}, {"owner": "bob", "balance": 1.1})
    body = {"to": 2, "amount": 10.5}

    assert shows_the_request(TRIED[title], a_request("POST", path, body=body))
    status, transfer, headers = tried(title, "POST", path, body)
    assert (status, transfer) == (201, {"id": 1, "account_id": 1, **body})
    assert headers == {"Location": "/accounts/1/transfers/1"}
    assert tried(title, "POST", path, body)[0] == 409
    assert tried(title, "POST", "/accounts/9/transfers", body)[0] == 404
    wrong = [{"to": 9}, {"to": 1}, {"amount": -1}, {"amount": "1"}, {"amount": 0.001}]
    assert [tried(title, "POST", path, {**body, **each})[0] for each in wrong] == [422] * len(wrong)
    assert [account["balance"] for account in tried.records("accounts")] == [9.5, 11.6]
    assert len(tried.records("transfers")) == 1


def test_tried_favorite(tried: Api) -> None:
    """A token in the API's own form, and an action that may be repeated."""
    title, path = "Mark an article as a favorite", "/articles/1/favorite"
    tried.seed("users", {"username": "jake", "token": "t"})
    tried.seed("articles", {"slug": "bread", "author_id": 1})

    def favorite(token: str | None, path: str = path) -> tuple[int, Any, dict[str, str]]:
        headers = {} if token is None else {"authorization": token}
        return tried(title, "POST", path, headers=headers)

    ctx = a_request("POST", path, headers={"authorization": "Token t"})
    assert shows_the_request(TRIED[title], ctx)
    for _ in range(2):
        status, reply, _ = favorite("Token t")
        assert (status, reply["article"]["favorited"], reply["article"]["favoritesCount"]) == (200, True, 1)
    assert [favorite(token)[0] for token in (None, "Token", "Bearer t", "Token x")] == [401] * 4
    assert favorite("Token t", "/articles/2/favorite")[0] == 404
    assert tried.records("articles")[0]["favorited_by"] == [1]


def test_tried_setting(tried: Api) -> None:
    """A PUT on a word makes the record, then replaces it; other words are other records."""
    title, path = "Put a setting by its word", "/settings/theme"

    assert shows_the_request(TRIED[title], a_request("PUT", path, body={"value": "dark"}))
    assert [tried(title, "PUT", path, {"value": value})[0] for value in ("dark", "light")] == [201, 200]
    assert tried(title, "PUT", "/settings/lang", {"value": "en"})[0] == 201
    assert tried(title, "PUT", path, {})[0] == 422
    assert [each["value"] for each in tried.records("settings")] == ["light", "en"]
