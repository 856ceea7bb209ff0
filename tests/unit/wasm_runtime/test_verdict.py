"""The host's last word on a guest's answer: nothing that a hostile guest says is believed."""

from __future__ import annotations

import json

import pytest

from wasm_runtime.limits import Limits
from wasm_runtime.outcome import (
    BadReply,
    GuestFailed,
    OutOfMemory,
    OutputTooLarge,
    Raised,
    SessionDamaged,
    StackExhausted,
    StorageFailed,
    StorageFull,
    Unmet,
)
from wasm_runtime.verdict import Answer, clean_headers, judge, judge_index

LIMITS = Limits(result_bytes=100, reply_depth=4, stdout_bytes=10)


def answer(body: str = '{"a":1}', **head: object) -> str:
    meta = {"ok": True, "status": 200, "headers": {}, "keep": False, "changed": 0, **head}
    return json.dumps(meta) + "\n" + body


def test_a_plain_reply_passes_whole() -> None:
    """What an honest guest says arrives unchanged."""
    judged = judge(answer(headers={"Location": "/members/1"}, changed=2, stdout="hi"), LIMITS)

    assert judged == Answer(200, (("Location", "/members/1"),), b'{"a":1}', True, 2, "hi", ())


@pytest.mark.parametrize(
    ("status", "keep", "kept"),
    [(200, False, True), (399, False, True), (400, False, False), (400, True, True)],
)
def test_an_error_undoes_its_writes_unless_told_otherwise(status: int, keep: bool, kept: bool) -> None:
    """A status of 400 or more rolls back unless the plan says keep."""
    judged = judge(answer(status=status, keep=keep), LIMITS)

    assert isinstance(judged, Answer)
    assert judged.keep is kept


@pytest.mark.parametrize("status", [199, 600, "200", 200.0, True, None, 10**30])
def test_a_status_is_an_integer_in_range(status: object) -> None:
    """Whatever the guest's own check let through, only 200 to 599 leaves."""
    assert isinstance(judge(answer(status=status), LIMITS), BadReply | GuestFailed)


@pytest.mark.parametrize("status", [200, 599])
def test_the_ends_of_the_status_range_pass(status: int) -> None:
    """Both ends of the range are statuses."""
    assert isinstance(judge(answer(status=status), LIMITS), Answer)


@pytest.mark.parametrize("status", [204, 304])
def test_bodies_of_bodiless_statuses_are_dropped(status: int) -> None:
    """204 and 304 have no body (RFC 9110 §15.3.5, §15.4.5), whatever the plan gave them."""
    judged = judge(answer(status=status), LIMITS)

    assert isinstance(judged, Answer)
    assert judged.body is None


def test_the_size_limit_holds_on_both_sides() -> None:
    """A body of exactly the limit passes; one byte more is refused with both figures."""
    at_limit = json.dumps("x" * 98)

    assert isinstance(judge(answer(at_limit), LIMITS), Answer)
    assert judge(answer(at_limit[:-1] + 'x"'), LIMITS) == OutputTooLarge(101, 100)


@pytest.mark.parametrize(("depth", "fits"), [(LIMITS.reply_depth, True), (LIMITS.reply_depth + 1, False)])
def test_depth_has_a_limit(depth: int, fits: bool) -> None:
    judged = judge(answer("[" * depth + "]" * depth), LIMITS)

    assert isinstance(judged, Answer) is fits
    assert fits or judged == BadReply(f"the body is nested deeper than {LIMITS.reply_depth} levels")


@pytest.mark.parametrize("body", ["{", "NaN", "[Infinity]", '"\ud800"', "1 2", '{"a":1,}', "'x'"])
def test_a_body_is_json_in_utf8(body: str) -> None:
    """What is not strict JSON never leaves."""
    assert judge(answer(body), LIMITS) == BadReply("the body is not JSON in UTF-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "[]",
        "null",
        '{"ok":false}',
        '{"ok":"true"}',
        '{"ok":1,"status":200}',
        '{"ok":false,"kind":5}',
    ],
)
def test_an_answer_that_is_none_is_the_guests_failure(text: str) -> None:
    """A forged or damaged answer is an outcome, never an exception."""
    assert isinstance(judge(text, LIMITS), GuestFailed)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ({"kind": "memory"}, OutOfMemory(LIMITS.memory_bytes)),
        ({"kind": "stack"}, StackExhausted()),
        ({"kind": "full"}, StorageFull(LIMITS.session_disk_bytes)),
        ({"kind": "damaged", "reason": "not a database"}, SessionDamaged("not a database")),
        ({"kind": "storage", "reason": "it failed"}, StorageFailed("it failed")),
        ({"kind": "bad-reply", "reason": "no dict"}, BadReply("no dict")),
        ({"kind": "failed", "reason": "OSError"}, GuestFailed("OSError")),
    ],
)
def test_each_failure_has_its_outcome(kind: dict[str, str], outcome: object) -> None:
    """The table of kinds."""
    assert judge(json.dumps({"ok": False, **kind}), LIMITS) == outcome


def test_an_exception_of_the_plan_carries_no_text() -> None:
    """The text of a plan's exception could hold anything; only its type and line are believed."""
    said = {"ok": False, "kind": "raised", "blame": "plan", "type": "ValueError", "line": 3, "status": 500}

    judged = judge(json.dumps({**said, "detail": "secret"}), LIMITS)

    assert judged == Raised("plan", "ValueError", 3, 500, "")


@pytest.mark.parametrize("wrong", [{"blame": "host"}, {"status": 200}, {"status": True}, {"status": 700}])
def test_a_forged_exception_is_the_guests_failure(wrong: dict[str, object]) -> None:
    """An exception cannot be used to send a success or to blame somebody unknown."""
    said = {"ok": False, "kind": "raised", "blame": "request", "type": "KeyError", "line": 1, "status": 422}

    assert isinstance(judge(json.dumps({**said, **wrong}), LIMITS), GuestFailed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Location", "/members/1"),
        ("Location", "/members/a%20b?x=1#y"),
        ("ETag", '"abc"'),
        ("ETag", 'W/""'),
        ("X-Found", "yes"),
        ("retry-after", "3"),
        ("Cache-Control", "max-age=60, must-revalidate"),
        ("Link", '</members?offset=2>; rel="next"'),
        ("X-Rate-Limit", "5"),
    ],
)
def test_useful_headers_leave(name: str, value: str) -> None:
    """The list is what REST replies need, and `X-` names of the plan's own."""
    assert clean_headers({name: value}) == ((name, value),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Location", "//evil.example"),
        ("Location", "/\\evil.example"),
        ("Location", "https://evil.example"),
        ("Location", "javascript:alert(1)"),
        ("Location", "/a b"),
        ("Location", "/a\\b"),
        ("Location", ""),
        ("Set-Cookie", "a=1"),
        ("Content-Type", "text/html"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-A", "1\r\nSet-Cookie: admin=1"),
        ("X-A", "1\n"),
        ("X-A", "caf\u00e9"),
        ("X-A", " padded"),
        ("X-A", "x" * 1025),
        ("X-" + "a" * 70, "x"),
        ("", "x"),
        ("X A", "x"),
        ("X:B", "x"),
        ("X-\u212aey", "x"),
        ("Lin\u212a", "</a>; rel=next"),
        ("X-Request-ID", "forged"),
        ("X-Plan-Source", "learned"),
        ("X-Contract-Violations", "/a type"),
        ("X-Accel-Redirect", "/etc/passwd"),
        ("X-Sendfile", "/etc/passwd"),
        ("X-Frame-Options", "ALLOWALL"),
        ("X-LiteSpeed-Location", "/internal"),
        ("X-Lighttpd-Send-File", "/etc/passwd"),
        ("X-Reproxy-URL", "http://169.254.169.254/"),
        ("X-Archive-Files", "zip"),
        ("ETag", "abc"),
        ("ETag", '"a" "b"'),
        ("Cache-Control", "public, max-age=99999"),
        ("Cache-Control", "S-MaxAge=5"),
    ],
)
def test_other_headers_are_dropped(name: str, value: str) -> None:
    """T20, T21, T22: a header that is not on the list, or not clean, never leaves; the reply does."""
    assert clean_headers({name: value}) == ()


@pytest.mark.parametrize("headers", [None, [], [["X-A", "1"]], "X-A: 1", 5, {"X-A": 5}, {"X-A": None}])
def test_headers_of_the_wrong_type_are_none(headers: object) -> None:
    """Nothing but texts by text is a header."""
    assert clean_headers(headers) == ()


def test_there_are_at_most_32_headers() -> None:
    """The count is capped; 32 leave, the 33rd does not."""
    assert len(clean_headers({f"X-A{at}": "v" for at in range(32)})) == 32
    assert len(clean_headers({f"X-A{at}": "v" for at in range(5000)})) == 32


def test_printed_text_is_cut_in_bytes() -> None:
    """The guest cuts what a plan printed, and the host cuts again."""
    judged = judge(answer(stdout="\u00e9" * 100), LIMITS)

    assert isinstance(judged, Answer)
    assert judged.stdout == "\u00e9" * 5


def test_unindexed_searches_are_pairs_of_texts() -> None:
    """What asks for an index is checked like all else."""
    judged = judge(answer(unindexed=[["users", "name"], ["x"], 5, [1, 2]]), LIMITS)

    assert isinstance(judged, Answer)
    assert judged.unindexed == (("users", "name"),)


@pytest.mark.parametrize("reason", ["if-match", "if-none-match", "key-reused", "answers-full"])
def test_what_does_not_hold_is_named(reason: str) -> None:
    """A precondition of the request, in one of the words that are agreed on."""
    assert judge(json.dumps({"ok": False, "kind": "unmet", "reason": reason}), LIMITS) == Unmet(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [None, "other", 5, ["if-match"], {}])
def test_another_word_is_the_guests_failure(reason: object) -> None:
    """Nothing that a guest makes up gets to be a precondition."""
    judged = judge(json.dumps({"ok": False, "kind": "unmet", "reason": reason}), LIMITS)

    assert isinstance(judged, GuestFailed)


def test_claims_are_booleans() -> None:
    """`record` and `replayed` are true or they are not claimed."""
    for said, believed in ((True, True), (1, False), ("true", False), (None, False)):
        judged = judge(answer(record=said, replayed=said), LIMITS)
        assert isinstance(judged, Answer)
        assert (judged.record, judged.replayed) == (believed, believed)


# Change sets

ENTRY = 'e ["members",1,2,"2026-01-01","{}","[]"]'


def told(changes: str, body: str = '{"id":1}', **head: object) -> str:
    return f"{answer(body, **head)}\x1f{changes}"


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ("p 1 1 =", 'p 1 1 {"id":1}'),
        ('p 1 7 {"id":7}', 'p 1 7 {"id":7}'),
        ('p 1 7 {"id":"7"}', 'p 1 7 {"id":"7"}'),
        ('p 1 1152921504606846976 {"id":"x"}', 'p 1 1152921504606846976 {"id":"x"}'),
        (f"{ENTRY}\nD 2\nd 1 3\nx 4", f"{ENTRY}\nD 2\nd 1 3\nx 4"),
        ('e [ "members", 1, 2, "2026-01-01", "{}", "[]" ]', ENTRY),
    ],
)
def test_changes_that_pass_are_written_anew(changes: str, written: str) -> None:
    """In the trusted side's own words, whatever spaces the guest put in."""
    judged = judge(told(changes), LIMITS)

    assert isinstance(judged, Answer)
    assert judged.changes == written


@pytest.mark.parametrize(
    "changes",
    [
        "p 1 2 =",
        'p 1 1 {"id":2}',
        'p 1 1 {"id":"x"}',
        'p 1 1 {"id":1.5}',
        'p 1 1 {"id":true}',
        'p 1 1 {"id":null}',
        "p 1 1 {}",
        "p 1 1 [1]",
        "p 1 1 7",
        "p 1 1 {",
        'p 1 1 {"id":1,"a":NaN}',
        'p 1 1 {"id":1} {"id":1}',
        'p 1 1 {"id":1,"a":"\x1f"}',
        'p 1 1152921504606846976 {"id":7}',
        'p 1 1152921504606846976 {"id":"7"}',
        'p 1 1152921504606846976 {"id":".."}',
        f'p 1 1 {{"id":1,"a":{"[" * 32}{"]" * 32}}}',
        "p 1 1 =\n",
        "nothing of the kind",
        " ",
    ],
)
def test_changes_that_no_honest_guest_tells_are_a_lie(changes: str) -> None:
    """Nothing of it is kept, and the guest is not asked again."""
    assert isinstance(judge(told(changes), LIMITS), GuestFailed)


def test_changes_of_what_is_not_kept_are_a_lie() -> None:
    """As is telling any with a failure; the deepest and the largest that may be pass."""
    assert isinstance(judge(told("p 1 1 =", status=404), LIMITS), GuestFailed)
    assert isinstance(judge(told("p 1 1 =", status=404, keep=True), LIMITS), Answer)
    assert isinstance(judge('{"ok": false, "kind": "full"}\x1fD 1', LIMITS), GuestFailed)
    deep = f'p 1 1 {{"id":1,"a":{"[" * 31}{"]" * 31}}}'
    assert isinstance(judge(told(deep), LIMITS), Answer)
    row = f'p 1 1 {{"id":1,"a":"{"x" * 600}"}}'
    assert isinstance(judge(told(row), Limits(change_bytes=600)), GuestFailed)
    assert isinstance(judge(told(row), Limits(change_bytes=700)), Answer)


def test_an_index_that_was_made_is_told() -> None:
    """Or none was; whatever else is said is no success."""
    assert judge_index(f'{{"ok":true}}\x1f{ENTRY}', LIMITS) == ENTRY
    assert judge_index('{"ok":true}', LIMITS) == ""
    assert isinstance(judge_index('{"ok":true}\x1fD', LIMITS), GuestFailed)
    assert isinstance(judge_index(told("p 1 1 ="), LIMITS), GuestFailed)
    assert judge_index('{"ok": false, "kind": "full"}', LIMITS) == StorageFull(LIMITS.session_disk_bytes)
    assert judge('{"ok": false, "kind": "large", "size": 7}', LIMITS) == OutputTooLarge(7, 100)
