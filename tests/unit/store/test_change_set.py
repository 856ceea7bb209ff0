"""Change sets as text: what is written is read, and what is no change set is told from one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.change_set import AnswerRow, ChangeSet, ChangeSetError, RecordRow, decode, encode
from store.entries import EntryRow

ENTRY = EntryRow("members", 1, 8, "2026-01-02T03:04:05.000006", '{"fields": {"id": ["integer"]}}', "[]")
ANSWER = AnswerRow(1, "f00", "beef", 1_800_000_000, 0, 300, '{"ok": true, "status": 201}\n{"id":1}')

DOCUMENTS = st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(
    lambda value: json.dumps(value, ensure_ascii="\ud800" <= max(str(value)) <= "\udfff")
)
NUMBERS = st.integers(1, 2**31 - 1)
ROWS = st.integers(1, 2**53 - 1) | st.integers(2**60, 2**63 - 1)


@given(
    cleared=st.lists(NUMBERS),
    deletes=st.lists(st.tuples(NUMBERS, ROWS)),
    puts=st.lists(st.builds(RecordRow, NUMBERS, ROWS, DOCUMENTS)),
    purged=st.lists(st.integers(1, 2**63 - 1)),
    answers=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_what_was_encoded_is_decoded(
    cleared: list[int],
    deletes: list[tuple[int, int]],
    puts: list[RecordRow],
    purged: list[int],
    answers: list[str],
) -> None:
    """Whatever the documents and answers hold, lines included."""
    change_set = ChangeSet(
        (ENTRY,),
        tuple(cleared),
        tuple(deletes),
        tuple(puts),
        tuple(purged),
        tuple(ANSWER._replace(answer=answer) for answer in answers),
    )

    assert decode(encode(change_set)) == change_set


def test_nothing_is_no_text() -> None:
    assert encode(ChangeSet()) == ""
    assert decode("") == ChangeSet()


def test_a_document_that_is_the_body_is_not_repeated() -> None:
    """What a reply says anyway is a sign in its change set."""
    puts = (RecordRow(1, 1, '{"id":1}'), RecordRow(1, 2, '{"id":2}'))
    text = encode(ChangeSet(puts=puts), '{"id":2}')

    assert text == 'p 1 1 {"id":1}\np 1 2 ='
    assert decode(text, '{"id":2}') == ChangeSet(puts=puts)


def test_a_body_that_is_not_there_is_no_document() -> None:
    with pytest.raises(ChangeSetError, match="reply which has none"):
        decode("p 1 1 =")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("p 1 1 {}\n", "line 2: no row"),
        ("p", "line 1: no row"),
        ("q 1 1", "line 1: no row"),
        (" 1", "line 1: no row"),
        ("p 1 1 {}\nd 1 1", "line 2: 'd' is out of order"),
        ("a []\ne []", "line 1: not an array of 7"),
        ("D 0", "out of its bounds"),
        ("D 2147483648", "out of its bounds"),
        ("D 01", "not a number"),
        ("D +1", "not a number"),
        ("D -1", "not a number"),
        ("D 1 ", "not a number"),
        ("D 1_0", "not a number"),
        ("D \u0661", "not a number"),
        ("D 1\r", "not a number"),
        ("D " + "1" * 5000, "not a number"),
        ("D ", "not a number"),
        ("d 1", "two numbers"),
        ("d 1 0", "out of its bounds"),
        ("d 1 1 1", "not a number"),
        ("d 1 9223372036854775808", "out of its bounds"),
        ("d 1 9007199254740992", "between"),
        ("d 1 1152921504606846975", "between"),
        ("p 1 1", "two numbers and a document"),
        ("p 1 1 ", "two numbers and a document"),
        ("p 1  {}", "not a number"),
        ("x 0", "out of its bounds"),
        ("e {}", "not an array of 6"),
        ("e [1,2,3,4,5,6", "not JSON"),
        ("e " + "[" * 100_000, "not JSON"),
        ('e ["9",1,1,"","{}","[]"]', "a name that none can have"),
        ('e ["a",0,1,"","{}","[]"]', "number of a"),
        ('e ["a",true,1,"","{}","[]"]', "number of a"),
        ('e ["a",1,0,"","{}","[]"]', "next id of a"),
        ('e ["a",1,9007199254740993,"","{}","[]"]', "next id of a"),
        ('e ["a",1,1,null,"{}","[]"]', "no text"),
        ('e ["a",1,1,"\\ud800","{}","[]"]', "no text"),
        ('e ["a",1,1,"","{","[]"]', "no JSON"),
        ('e ["a",1,1,"","[]","[]"]', "not readable"),
        ('e ["a",1,1,"","{\\"fields\\":{\\"x\\":[1]}}","[]"]', "not readable"),
        ('e ["a",1,1,"","{}","[\\"a\'b\\"]"]', "not readable"),
        ('e ["a",1,1,"","{}",' + json.dumps(json.dumps(["x"] * 17)) + "]", "not readable"),
        ('a [1,"n","f",1.5,0,1,"x"]', "numbers are none"),
        ('a [0,"n","f",1,0,1,"x"]', "numbers are none"),
        ('a [1,"n","f",1,-1,1,"x"]', "numbers are none"),
        ('a [1,"n","f",NaN,0,1,"x"]', "not JSON"),
        ('a [1,"n","f",1,0,1,7]', "texts are none"),
        ('a [1,"n","f",1,0,1,"\\udc00"]', "surrogate"),
    ],
)
def test_what_is_no_change_set_is_refused(text: str, reason: str) -> None:
    """A guest's text is not believed: each line is of its form, in the order of kinds."""
    with pytest.raises(ChangeSetError, match=reason):
        decode(text)


@given(st.text(alphabet='eDdpxa 019={}[]"\n\\', max_size=60))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    """Nothing else is raised; and what passes is the text of what it was read as, but for JSON's spaces."""
    try:
        change_set = decode(text)
    except ChangeSetError:
        return

    assert decode(encode(change_set)) == change_set
