"""Every helper and reply function a plan may call, called by a plan, in the guest itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.artifact import Artifact

#: What a plan writes, and what it finds.
CALLS: dict[str, list[tuple[str, object]]] = {
    "as_int": [('as_int("7")', 7), ('as_int(ctx["query"].get("none"), 20)', 20)],
    "as_float": [('as_float("1.5")', 1.5)],
    "as_bool": [('as_bool("yes")', True), ("as_bool(None, False)", False)],
    "parse_json": [('parse_json("[1, null]")', [1, None])],
    "bearer": [("bearer()", None)],
    "add_time": [
        ('add_time("2026-01-31", months=1)', "2026-02-28"),
        ('add_time("2026-03-01T12:30:00.123Z", days=-1, seconds=1)', "2026-02-28T12:30:01.123Z"),
        ("add_time(now(), days=1) > now()", True),
    ],
    "seconds_between": [('seconds_between("2026-03-01", "2026-03-02T00:00:01Z")', 86401.0)],
    "now": [("len(now())", 24), ('now() > "2026"', True)],
    "today": [("now().startswith(today())", True)],
    "uuid4": [("len(uuid4())", 36), ("uuid4() != uuid4()", True)],
    "new_token": [("len(new_token()) > 40", True), ("new_token() != new_token()", True)],
    "slugify": [('slugify("H\u00e9llo, World!")', "hello-world")],
    "url_quote": [('url_quote("a/b c")', "a%2Fb%20c")],
    "by": [('[r["n"] for r in sorted([{"n": 1}, {"n": 3}, {}, {"n": 2}], key=by("-n")) if r]', [3, 2, 1])],
    "re_match": [
        ('re_match("([a-z]+)-([0-9]+)", "ab-12")', ["ab-12", "ab", "12"]),
        ('re_match("x", "y")', None),
    ],
    "money": [("money(0.1 + 0.2)", 0.3), ('money("2.345")', 2.35)],
    "json_patch": [('json_patch({"a": 1}, [{"op": "remove", "path": "/a"}])', {})],
    "merge_patch": [
        ('merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})', {"b": {"c": 2, "d": 3}})
    ],
    "page_of": [('list(page_of({"page": "2"}))', [20, 20]), ("list(page_of({}))", [None, 0])],
    "envelope": [
        ("envelope(None, [1])", [1]),
        (
            (
                'envelope({"place": ["a", "b"], "within": ["n"], "around": [[["a", "t"], "total", None, 0], '
                '[["m"], "more", None, 0], [["k"], "", "l", 1], [["x"], "no", None, 0]]}, [1], 3, 1)'
            ),
            {"a": {"b": [{"n": 1}], "t": 3}, "m": True, "k": "l"},
        ),
    ],
    "fail": [('fail(422, "is taken", "email") if ctx["query"] else 1', 1)],
    "shaped": [
        ('shaped({"id": 1, "a": 2}, {"id": "{id}", "in": {"**": ["id"]}})', {"id": "1", "in": {"a": 2}}),
    ],
    "pick": [('pick([{"a": {"b": 1, "c": 2}}], "a.b")', [{"a": {"b": 1}}])],
    "hash_secret": [
        ('hash_secret("a").startswith("scrypt$")', True),
        ('hash_secret("a") != hash_secret("a")', True),
    ],
    "verify_secret": [
        ('verify_secret("a", hash_secret("a"))', True),
        ('verify_secret("b", hash_secret("a"))', False),
    ],
    "print": [('print("seen in the log")', None)],
}
ROWS = [(name, expression, value) for name, calls in CALLS.items() for expression, value in calls]


@pytest.mark.parametrize(("name", "expression", "value"), ROWS, ids=[row[1] for row in ROWS])
def test_a_helper_does_what_it_says(sandbox: Sandbox, name: str, expression: str, value: object) -> None:
    """The same in CPython compiled to WebAssembly as anywhere."""
    outcome = sandbox.run(f"REPLY = make_response(200, [{expression}])", read_only=True)

    assert isinstance(outcome, Completed), (name, outcome)
    assert orjson.loads(outcome.body or b"") == [value]


def test_none_is_forgotten(guest_artifact: Artifact) -> None:
    """Each helper that the guest describes has a row above."""
    described = {helper["name"] for helper in guest_artifact.description["helpers"]}

    assert described <= CALLS.keys()


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ('abort(404, "gone")', 404, b'"gone"'),
        ('abort(402, {"pay": 1}, {"Retry-After": "5"})', 402, b'{"pay":1}'),
        ("try:\n    abort(404)\nexcept Exception:\n    pass\nREPLY = make_response(200)", 404, None),
        (
            (
                'try:\n    try:\n        abort(404, "gone")\n    finally:\n        x = 1 / 0\n'
                "except Exception:\n    pass\nREPLY = make_response(200)"
            ),
            404,
            b'"gone"',
        ),
        (
            (
                'try:\n    try:\n        abort(404, "gone")\n    except [][0]:\n        pass\n'
                "except Exception:\n    pass\nREPLY = make_response(200)"
            ),
            404,
            b'"gone"',
        ),
        ('as_int("x")', 400, b"\"'x' is not an integer\""),
        ('as_int(ctx["query"].get("limit"))', 400, b"\"limit: 'many' is not an integer\""),
        ('n = as_bool(ctx["query"]["limit"])', 400, b"\"limit: 'many' is not a boolean (true or false)\""),
    ],
)
def test_what_ends_a_plan(sandbox: Sandbox, code: str, status: int, body: bytes | None) -> None:
    """abort and wrong query values end the plan there; what it wrote before is undone."""
    outcome = sandbox.run(f'store.insert({{"n": 1}})\n{code}', query={"limit": "many"})
    counted = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)

    assert isinstance(outcome, Completed)
    assert (outcome.status, outcome.body) == (status, body)
    assert isinstance(counted, Completed)
    assert counted.body == b"0"


@pytest.mark.parametrize(
    ("header", "called", "token"),
    [
        ("Bearer t-1", "bearer()", "t-1"),
        ("bearer   t-1 ", "bearer()", "t-1"),
        ("Token t-1", 'bearer("Token")', "t-1"),
        ("Token t-1", "bearer()", None),
        ("Bearer", "bearer()", None),
        ("Bearert-1", "bearer()", None),
        (None, "bearer()", None),
    ],
)
def test_bearer_reads_the_request_that_is_served(
    sandbox: Sandbox, header: str | None, called: str, token: str | None
) -> None:
    """A scheme in any case (RFC 9110 §11.1), and never the token of the request before."""
    code = f"REPLY = make_response(200, [{called}])"
    sandbox.run(code, headers={"authorization": "Bearer of-another Token"})
    outcome = sandbox.run(code, headers={} if header is None else {"authorization": header})

    assert isinstance(outcome, Completed), outcome
    assert orjson.loads(outcome.body or b"") == [token]


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 70 + "]" * 70, "1" * 5_000, "[1,]", ""])
def test_a_wrong_json_text_is_the_clients(sandbox: Sandbox, text: str) -> None:
    code = 'REPLY = make_response(200, parse_json(ctx["body_json"]["meta"]))'
    outcome = sandbox.run(code, body={"meta": text})

    assert isinstance(outcome, Completed), outcome
    assert outcome.status == 400


@pytest.mark.parametrize("date", ["soon", "2026-02-30", None, 7, "2026-01-01T25:00:00Z", "9999-12-31"])
def test_a_date_of_the_body_that_is_none(sandbox: Sandbox, date: object) -> None:
    """The client's mistake, and so is one that would lead beyond all dates."""
    code = 'REPLY = make_response(200, add_time(ctx["body_json"]["on"], days=1))'
    outcome = sandbox.run(code, body={"on": date})

    assert isinstance(outcome, Raised), outcome
    assert (outcome.blame, outcome.status) == ("request", 422)


def test_a_refusal_in_the_middle_of_an_expression(sandbox: Sandbox) -> None:
    """What is missing ends the plan where it is looked for."""
    code = 'REPLY = make_response(200, {"a": store.get(1) or abort(404, "no such member")})'

    outcome = sandbox.run(code)
    assert isinstance(outcome, Completed), outcome
    assert (outcome.status, outcome.body) == (404, b'"no such member"')
