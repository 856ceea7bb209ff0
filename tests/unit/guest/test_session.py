"""What a guest answers, run natively: what was kept is told behind the answer, and nothing else is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from guest.session import DRY_RUN, READ, SEPARATOR, WRITE, GuestSession, answering
from store import change_set
from store.change_set import ChangeSet, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 1024 * 1024
CONFIG = {
    "disk_bytes": LIMIT,
    "stdout_bytes": 64,
    "answers_bytes": 4096,
    "head_bytes": 1_000,
    "result_bytes": 4096,
    "reply_depth": 8,
    "change_bytes": 100_000,
    "object_members": 100,
    "patch_bytes": 10_000,
    "enforce_types": False,
    "file": "none",
}
INSERT = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
COUNT = "REPLY = make_response(200, store.count())"


class Native:
    """A guest's session without the guest."""

    def __init__(self, directory: Path, **config: Any) -> None:
        self.session = GuestSession(str(directory), {**CONFIG, **config}, lambda _secret, _salt: "")

    def request(self, code: str, body: Any = None, *, mode: str = WRITE, asked: Any = None) -> str:
        document = json.dumps(
            {"resource": "members", "route": "/members", "identifier": "{id}", "code": code}
        )
        plan_id = str(abs(hash(code)))
        self.session.load(plan_id, document, "")
        ctx = {"method": "POST", "path": "/members", "segments": ["members"], "headers": {}}
        before = "" if asked is None else f"?{json.dumps(asked)}\n"
        text = "" if body is None else json.dumps(body)
        return f"{plan_id}\n{mode}\n{before}{{}}\n{{}}\n{json.dumps(ctx)}\n{text}"

    def run(
        self, code: str, body: Any = None, *, mode: str = WRITE, asked: Any = None
    ) -> tuple[Any, Any, str]:
        """Head, body and change set."""
        return parts_of(answering(self.session.run, self.request(code, body, mode=mode, asked=asked)))


def parts_of(answer: str) -> tuple[Any, Any, str]:
    said, _, changes = answer.partition(change_set.SEPARATOR)
    head, _, body = said.partition("\n")
    return json.loads(head), json.loads(body) if body else None, changes


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    native = Native(tmp_path)
    yield native
    native.session.close()


def test_a_kept_write_tells_its_changes(native: Native) -> None:
    """Behind the answer; the record is not said twice."""
    head, body, changes = native.run(INSERT, {"name": "Ann"})

    assert (head["status"], body) == (201, {"id": 1, "name": "Ann"})
    assert changes.endswith("\np 1 1 =")
    told = decode(changes, json.dumps(body, separators=(",", ":")))
    assert [entry.name for entry in told.entries] == ["members"]
    assert native.run(INSERT, {"name": "Bob"})[2] == "p 1 2 ="


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        (COUNT, READ),
        (COUNT, WRITE),
        ("store.insert({})\nREPLY = make_response(409, 'no')", WRITE),
        ("store.insert({})\nraise ValueError", WRITE),
        ("store.insert({})\nREPLY = 7", WRITE),
        ("store.insert({})\nREPLY = make_response(200, 'x' * 5000)", WRITE),
        ("store.insert({})\nREPLY = make_response(200, 1, {'X-Long': 'x' * 1000})", WRITE),
        ("store.insert({})\nREPLY = make_response(200, [[[[[[[[[1]]]]]]]]])", WRITE),
        (
            "REPLY = make_response(200, [[[store.insert({'a': {'b': {'c': {'d': {'e': {'f': 1}}}}}})]]])",
            WRITE,
        ),
        ("store.insert({})\nREPLY = make_response(200, store.count())", DRY_RUN),
        ("store.insert({})\nREPLY = make_response(200)", READ),
    ],
)
def test_what_is_not_kept_is_undone_and_not_told(native: Native, code: str, mode: str) -> None:
    """Each request by itself: what others have written stays, in the same transaction."""
    native.run(INSERT, {})
    head, _, changes = native.run(code, mode=mode)
    count = native.run(COUNT, mode=READ)[1]

    assert changes == ""
    assert count == 1
    assert "undone" not in head
    assert native.session._session._in_transaction


def test_a_dry_run_answers_as_if(native: Native) -> None:
    """It sees what it has written, and nobody else does."""
    native.run(INSERT, {})
    code = "store.insert({})\nREPLY = make_response(200, store.count())"

    assert native.run(code, mode=DRY_RUN)[:2] == ({"ok": True, "status": 200, "changed": 1}, 2)
    assert native.run(COUNT, mode=READ)[1] == 1


def test_a_reply_that_is_too_large_says_how_large(native: Native) -> None:
    """In bytes, before the host would have to refuse what was kept."""
    assert native.run("REPLY = make_response(200, 'é' * 2047)")[0]["status"] == 200
    head, body, _ = native.run("REPLY = make_response(200, 'é' * 2048)")

    assert (head, body) == ({"ok": False, "kind": "large", "size": 4098}, None)


def test_a_request_that_writes_too_much_is_undone_and_told_so(native: Native) -> None:
    """In bytes of what the record would be told; the next one is served."""
    code = (
        "store.insert_many([{'t': 'é' * 490} for _ in range(ctx['body_json'])])\nREPLY = make_response(201)"
    )
    native.run(INSERT, {"t": ""})
    assert native.run(code, 90)[0]["ok"] is True
    head, body, changes = native.run(code, 110)

    assert (head["kind"], head["blame"], head["status"]) == ("raised", "store", 422)
    assert "100000 bytes" in head["detail"]
    assert (body, changes) == (None, "")
    assert native.run(COUNT, mode=READ)[1] == 91


def test_a_reply_that_nobody_wants_may_be_large(native: Native) -> None:
    """What was written is told in full then: there is no body that it could be."""
    code = "store.insert({'t': 'x' * 5000})\nREPLY = make_response(201, store.get(1))"
    head, body, changes = native.run(code, asked={"minimal": True})

    assert (head["ok"], body) == (True, None)
    assert decode(changes).puts[0].doc == '{"id":1,"t":"' + "x" * 5000 + '"}'


def test_a_stored_record_is_as_deep_as_it_is(native: Native) -> None:
    """Nobody has looked into it, but its depth is counted."""
    native.run(INSERT, {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}, "text": "[[[[[[[[["})

    assert native.run("REPLY = make_response(200, [store.get(1)])")[0]["status"] == 200
    assert native.run("REPLY = make_response(200, store.list()[0])")[0]["status"] == 200
    head = native.run("REPLY = make_response(200, {'a': [[store.get(1)]]})")[0]
    assert head["kind"] == "bad-reply"
    assert "deeper than 8" in head["reason"]


def test_an_answer_that_is_kept_is_told(native: Native) -> None:
    """A key's answer is in the change set of what it answers for; a replay tells nothing."""
    asked = {"key": "k", "fingerprint": "f"}
    told = decode(native.run(INSERT, {"n": 1}, asked=asked)[2], '{"id":1,"n":1}')
    again = native.run(INSERT, {"n": 1}, asked=asked)

    assert [(answer.seq, answer.name) for answer in told.answers] == [(1, "k")]
    assert len(told.puts) == 1
    assert again[0]["replayed"] is True
    assert again[2] == ""
    assert native.run(INSERT, {}, asked={"key": "k", "fingerprint": "other"})[0]["kind"] == "unmet"


def test_a_session_that_is_full_goes_on(native: Native) -> None:
    """What is refused is undone by itself, whether the plan has caught it or not."""
    native.run(INSERT, {})
    for code in (
        "store.insert({'t': 'x' * 2000000})\nREPLY = make_response(200)",
        "try:\n store.insert({'t': 'x' * 2000000})\nexcept Exception:\n pass\nREPLY = make_response(200)",
    ):
        assert native.run(code) == ({"ok": False, "kind": "full"}, None, "")

    assert native.run(COUNT, mode=READ)[1] == 1
    assert native.run(INSERT, {})[1] == {"id": 2}


def test_a_transaction_that_sqlite_has_ended_is_told(native: Native) -> None:
    """What was kept before is gone with it, so the whole group is."""
    native.run(INSERT, {})
    native.session._session._database.run("ROLLBACK")
    requests = [native.request(COUNT), native.request(INSERT, {}), native.request(COUNT)]
    answers = native.session.run(SEPARATOR.join(requests)).split(SEPARATOR)

    assert len(answers) == 1
    assert json.loads(answers[0]) == {"ok": False, "kind": "full", "undone": True}


def test_an_index_is_told(native: Native) -> None:
    """It is a request of its own, and leaves the transaction open."""
    native.run(INSERT, {"n": 1})
    answer = native.session.ensure_index("members", "n")
    _, _, changes = parts_of(answer)

    assert decode(changes).entries[0].indexes == '["n"]'
    assert decode(changes)._replace(entries=()) == ChangeSet()
    assert native.session.ensure_index("members", "n") == '{"ok":true}'
    assert native.session.ensure_index("nobody", "n") == '{"ok":true}'
    assert native.session._session._in_transaction


def test_what_was_kept_is_in_the_file_when_it_is_closed(tmp_path: Path) -> None:
    """And only then: until it is, nothing is written."""
    native = Native(tmp_path)
    for n in range(20):
        native.run(INSERT, {"n": n})
    native.run("store.insert({})\nREPLY = make_response(409)")
    assert (tmp_path / "store.db").stat().st_size == 0
    native.session.finish()
    again = Native(tmp_path, file="there")

    assert again.run(COUNT, mode=READ)[1] == 20
    again.session.close()
