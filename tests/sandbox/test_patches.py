"""json_patch and merge_patch in the guest itself: json-patch-tests, RFC 7396's table, and bad patches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from guest import patches
from guest.reply import Abort
from server.requests import strict_json
from server.values.errors import InvalidJson
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

DATA = Path(__file__).parents[1] / "data"
SUITE = [DATA / "json-patch-tests" / name for name in ("tests.json", "spec_tests.json")]
#: JSON with the same key twice, which is not what it was any more when it has been decoded.
_TWICE = {"duplicate ops", "A.13 Invalid JSON Patch Document"}
CASES = [
    case
    for path in SUITE
    for case in json.loads(path.read_text("utf-8"))
    if case.get("comment") not in _TWICE
]
MERGES = json.loads((DATA / "merge_patch.json").read_text("utf-8"))

_PATCH = """\
body = ctx["body_json"]
REPLY = make_response(200, [json_patch(body["doc"], body["patch"]), body["doc"]])
"""
_MERGE = """\
body = ctx["body_json"]
REPLY = make_response(200, [merge_patch(body["original"], body["patch"]), body["original"]])
"""


def patched(sandbox: Sandbox, document: Any, patch: Any) -> tuple[int, Any]:
    """Status, and on success the patched document, when the document given is as it was; else the error."""
    outcome = sandbox.run(_PATCH, read_only=True, body={"doc": document, "patch": patch})
    assert isinstance(outcome, Completed), outcome
    value = orjson.loads(outcome.body or b"null")
    if outcome.status != 200:
        return outcome.status, value
    assert value[1] == document
    return outcome.status, value[0]


def test_json_patch_tests(sandbox: Sandbox) -> None:
    """Every case of json-patch-tests, the disabled ones too: the result it expects, or an error."""
    failed = []
    for case in CASES:
        status, value = patched(sandbox, case["doc"], case["patch"])
        if "error" in case:
            as_expected = status in {400, 409}
        else:
            expected = case.get("expected", case["doc"])
            as_expected = status == 200 and canonical(value) == canonical(expected)
        if not as_expected:
            failed.append((case, status, value))

    assert failed == []
    assert len(CASES) == 93


def canonical(value: Any) -> str:
    """JSON text, in which true is not 1, as it is to Python."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.name)
def test_an_operation_with_a_key_twice(path: Path) -> None:
    """The two cases left out above have no place in the guest: the edge takes no JSON with a key twice."""
    with pytest.raises(InvalidJson, match="the same key twice"):
        strict_json.read(path.read_bytes())


def test_merge_patch_table(sandbox: Sandbox) -> None:
    """RFC 7396, appendix A, row by row; what is merged into is left as it was."""
    outcomes = [sandbox.run(_MERGE, read_only=True, body=row) for row in MERGES]
    replies = [orjson.loads(each.body or b"") for each in outcomes if isinstance(each, Completed)]

    assert replies == [[row["result"], row["original"]] for row in MERGES]
    assert len(MERGES) == 15


ADD = {"op": "add", "path": "/a", "value": 1}


@pytest.mark.parametrize(
    ("patch", "status", "error"),
    [
        (ADD, 400, "a JSON Patch is an array of operations"),
        ("add", 400, "a JSON Patch is an array of operations"),
        ([ADD, "add"], 400, "operation 2: "),
        ([ADD, {"path": "/a"}], 400, "operation 2 (/a): "),
        ([{"op": "spam", "path": "/a"}], 400, "operation 1 (spam /a): "),
        ([{"op": "add", "path": "a", "value": 1}], 400, "operation 1 (add a): "),
        ([{"op": "add", "path": "/~2", "value": 1}], 400, "operation 1 (add /~2): "),
        ([ADD, {"op": "add", "path": "/b"}], 400, "operation 2 (add /b): "),
        ([{"op": "test", "path": "/n", "value": True}], 409, "operation 1 (test /n): the value there"),
        ([{"op": "test", "path": "/none", "value": 1}], 409, "operation 1 (test /none): "),
        (
            [ADD, {"op": "remove", "path": "/none"}],
            409,
            "operation 2 (remove /none): there is nothing at /none",
        ),
        ([{"op": "remove", "path": ""}], 409, "operation 1 (remove ): "),
        ([{"op": "move", "from": "/o", "path": "/o/p"}], 409, "operation 1 (move /o/p): "),
        ([{"op": "replace", "path": "/l/01", "value": 1}], 409, "operation 1 (replace /l/01): "),
        ([{"op": "replace", "path": "/n/m", "value": 1}], 409, "operation 1 (replace /n/m): "),
        *(
            (
                [{**operation, "path": path}],
                409,
                f"operation 1 ({operation['op']} {path}): there is nothing at {place}",
            )
            for operation, path, place in (
                ({"op": "copy", "from": "/zz"}, "/new", "/zz"),
                ({"op": "copy", "from": "/zz/y"}, "/new", "/zz/y"),
                ({"op": "copy", "from": "/l/9"}, "/new", "/l/9"),
                ({"op": "copy", "from": "/l/-"}, "/new", "/l/-"),
                ({"op": "copy", "from": "/n"}, "/zz/y", "/zz"),
                ({"op": "move", "from": "/zz"}, "/new", "/zz"),
                ({"op": "move", "from": "/o/k"}, "/new", "/o/k"),
                ({"op": "move", "from": "/l/1"}, "/new", "/l/1"),
                ({"op": "move", "from": "/n"}, "/zz/y", "/zz"),
                ({"op": "remove"}, "/l/1", "/l/1"),
                ({"op": "remove"}, "/o/k", "/o/k"),
                ({"op": "replace", "value": 1}, "/zz", "/zz"),
                ({"op": "replace", "value": 1}, "/l/7", "/l/7"),
                ({"op": "test", "value": 1}, "/zz", "/zz"),
                ({"op": "test", "value": None}, "/l/-", "/l/-"),
                ({"op": "add", "value": 1}, "/zz/y", "/zz"),
            )
        ),
    ],
)
def test_what_is_wrong_with_a_patch(sandbox: Sandbox, patch: Any, status: int, error: str) -> None:
    """400 where it is none, 409 where it does not fit this document; and which operation it is."""
    answered, said = patched(sandbox, {"n": 1, "o": {}, "l": [1]}, patch)

    assert answered == status
    assert said.startswith(error)
    assert len(said) <= 400


def test_equal_numbers(sandbox: Sandbox) -> None:
    """RFC 6902 §4.6: numbers are equal by value."""
    assert patched(sandbox, {"n": 1}, [{"op": "test", "path": "/n", "value": 1.0}]) == (200, {"n": 1})


def test_a_patch_that_doubles(make_sandbox: Callable[..., Sandbox]) -> None:
    """A patch of a few lines that would fill any memory is refused long before, and says where."""
    sandbox = make_sandbox(Limits(fuel=2_000_000_000))
    doubling = [{"op": "add", "path": "/a", "value": {"x": 1}}]
    doubling += [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(40)]
    status, error = patched(sandbox, {}, doubling)

    assert (status, error[:18]) == (422, "operation 14 (copy")
    assert error.endswith("the patch copies and moves more than 1048576 bytes")
    assert patched(sandbox, {}, [ADD]) == (200, {"a": 1})


def limited(sandbox: Sandbox, *lines: str) -> tuple[int, Any]:
    """The answer to a patch that the plan makes itself, under limits of 4 KiB and of 20 members."""
    outcome = sandbox.run("\n".join([*lines, "REPLY = make_response(200, len(json_patch(doc, patch)))"]))
    assert isinstance(outcome, Completed), outcome
    return outcome.status, orjson.loads(outcome.body or b"null")


MUCH = "the patch copies and moves more than 4096 bytes"
MANY = "the object would have more than 20 members"


@pytest.mark.parametrize(
    ("document", "patch", "within", "reason"),
    [
        ('{"s": "x" * 968}', '[{"op": "copy", "from": "/s", "path": "/t"}] * n', 4, MUCH),
        ('{"s": [0] * 31}', '[{"op": "copy", "from": "/s", "path": "/t"}] * n', 4, MUCH),
        ('{"l": [0] * 6_400}', '[{"op": "remove", "path": "/l/0"}] * n', 41, MUCH),
        ('{"l": [0] * 6_400}', '[{"op": "add", "path": "/l/0", "value": 1}] * n', 40, MUCH),
        ('{"l": [0] * 6_400}', '[{"op": "move", "from": "/l/9", "path": "/l/0"}] * n', 20, MUCH),
        ("{}", '[{"op": "add", "path": f"/{i}", "value": 1} for i in range(n)]', 20, MANY),
        ('{"s": 1}', '[{"op": "copy", "from": "/s", "path": f"/{i}"} for i in range(n)]', 19, MANY),
        (
            '{"s": {}, "l": [0] * 30}',
            '[{"op": "move", "from": "/l/0", "path": f"/s/{i}"} for i in range(n)]',
            20,
            MANY,
        ),
    ],
)
def test_what_a_patch_may_do(
    make_sandbox: Callable[..., Sandbox], document: str, patch: str, within: int, reason: str
) -> None:
    """On both sides of the limit, for each operation; the one that goes beyond it is named."""
    beyond = within + 1
    sandbox = make_sandbox(Limits(patch_bytes=4_096, object_members=20))
    good = limited(sandbox, f"doc = {document}", f"n = {within}", f"patch = {patch}")
    bad = limited(sandbox, f"doc = {document}", f"n = {beyond}", f"patch = {patch}")

    assert good[0] == 200
    assert bad[0] == 422
    assert bad[1].startswith(f"operation {beyond} (")
    assert bad[1].endswith(reason)


def test_a_patch_may_make_a_large_object_smaller(make_sandbox: Callable[..., Sandbox]) -> None:
    """One that was stored while the limit was higher."""
    sandbox = make_sandbox(Limits(object_members=20))
    many = 'doc = {f"{i}": 1 for i in range(30)}'

    assert limited(sandbox, many, 'patch = [{"op": "remove", "path": "/3"}]') == (200, 29)


GROWS = (
    "store.insert({'id': 1}) and store.update(1, {str(i): 1 for i in range(10)})"
    " and store.update(1, {str(i): 1 for i in range(10, n)})"
)


@pytest.mark.parametrize(
    "code",
    [
        "store.insert({str(i): 1 for i in range(n)})",
        'store.insert({"a": [{"b": {str(i): 1 for i in range(n)}}]})',
        "store.insert_many([{str(i): 1 for i in range(n)}])",
        "store.insert({'id': 1}) and store.update(1, {str(i): 1 for i in range(n)})",
        "store.insert({'id': 1}) and store.replace(1, {str(i): 1 for i in range(n)})",
        "store.upsert({str(i): 1 for i in range(n)})",
        GROWS,
    ],
    ids=["insert", "nested", "insert many", "update", "replace", "upsert", "update twice"],
)
def test_a_record_has_so_many_members(make_sandbox: Callable[..., Sandbox], code: str) -> None:
    """However it comes by them; at the limit it is stored."""
    sandbox = make_sandbox(Limits(object_members=20))
    at_limit = sandbox.run(f"n = 20\n{code}\nREPLY = make_response(201)", session="s1")
    beyond = sandbox.run(f"n = 21\n{code}\nREPLY = make_response(201)", session="s2")

    assert isinstance(at_limit, Completed), at_limit
    assert isinstance(beyond, Raised)
    assert (beyond.blame, beyond.status) == ("store", 422)
    assert "21 members, more than 20" in beyond.detail


def test_a_long_fault_is_cut() -> None:
    """A path as long as a body may be does not make an error as long."""
    with pytest.raises(Abort) as fault:
        patches.json_patch({}, [{"op": "remove", "path": "/" + "x" * 10_000}])

    assert len(fault.value.reply["body"]) < 350
