"""The judge of the kill loop: every way to lose, tear or double a write is found, and no honest one."""

from __future__ import annotations

from typing import Any

import pytest

from tools.torture.ledger import BATCH, LOST, TRANSFER, Contents, SessionLedger


def transfer(key: str = "k", identifier: int = 1, value: int = 0) -> Contents:
    debit = {"id": identifier, "key": key, "half": 0, "value": value}
    return {"debits": [debit], "credits": [{"id": identifier, "key": key, "half": 1}], "notes": []}


def nothing() -> Contents:
    return {"debits": [], "credits": [], "notes": []}


def acknowledged() -> tuple[SessionLedger, Any]:
    ledger = SessionLedger()
    entry = ledger.begin("k", TRANSFER)
    ledger.inserted(entry, [1, 1])
    return ledger, entry


def test_an_acknowledged_write_must_be_there() -> None:
    """Present: nothing to say. Absent: lost."""
    assert acknowledged()[0].check(transfer()) == []
    assert LOST in acknowledged()[0].check(nothing())[0]


def test_an_unanswered_write_is_whole_or_absent_and_stays_so() -> None:
    """Both are right the first time; what was seen once must not change later."""
    for first, second in ((transfer(), nothing()), (nothing(), transfer())):
        ledger = SessionLedger()
        ledger.perhaps_inserted(ledger.begin("k", TRANSFER))
        assert ledger.check(first) == []
        assert ledger.check(first) == []
        assert ledger.check(second)


@pytest.mark.parametrize("half", ["debits", "credits"])
def test_half_a_pair_is_found(half: str) -> None:
    """One record of two is wrong, whoever was told what."""
    ledger = SessionLedger()
    ledger.perhaps_inserted(ledger.begin("k", TRANSFER))
    assert "a half" in ledger.check({**nothing(), half: transfer()[half]})[0]


def test_a_pair_written_twice_is_found() -> None:
    """A request that ran again after it had taken effect."""
    ledger, _ = acknowledged()
    twice = {name: records * 2 for name, records in transfer().items()}
    assert "a double" in ledger.check(twice)[0]


def test_a_refused_write_must_not_be_there() -> None:
    """What was answered with `not started` has had no effect."""
    ledger = SessionLedger()
    ledger.begin("k", TRANSFER)
    assert ledger.check(nothing()) == []
    assert "is there" in ledger.check(transfer())[0]


def test_a_deleted_record_must_not_come_back() -> None:
    """Also when a read between had shown that it was gone."""
    ledger, entry = acknowledged()
    ledger.deleted(entry)
    assert ledger.check(nothing()) == []
    assert "is there" in ledger.check(transfer())[0]


def test_a_patched_value_is_the_last_acknowledged_or_an_unanswered_one() -> None:
    """Older values are lost updates; what was seen is settled."""
    ledger, entry = acknowledged()
    ledger.patched(entry, 5)
    ledger.perhaps_patched(entry, 6)
    assert ledger.check(transfer(value=6)) == []
    assert "holds 5, may hold [6]" in ledger.check(transfer(value=5))[0]


def test_an_id_that_is_used_again_is_found() -> None:
    """Also when its first owner is long gone."""
    ledger, entry = acknowledged()
    ledger.deleted(entry)
    other = ledger.begin("other", TRANSFER)
    ledger.inserted(other, [1, 2])
    assert any("used again" in wrong for wrong in ledger.check(nothing()))


def test_a_record_that_changes_its_id_or_place_is_found() -> None:
    """The id that was told is the id it has, and each half is where it belongs."""
    assert "its ids were" in acknowledged()[0].check(transfer(identifier=3))[0]
    stray = {**transfer(), "notes": [{"id": 1, "key": "k", "half": 0}]}
    assert "where none belong" in acknowledged()[0].check(stray)[0]


def test_records_that_nobody_wrote_are_found() -> None:
    """Another session's data, or a torn record without its key."""
    assert "which nobody wrote" in SessionLedger().check(transfer())[0]
    assert SessionLedger().check({"notes": [{"id": 1}]})


def test_both_halves_of_a_batch_are_in_one_collection() -> None:
    """A batch is told by its halves, not by its collections."""
    ledger = SessionLedger()
    entry = ledger.begin("b", BATCH)
    ledger.inserted(entry, [1, 2])
    halves = [{"id": number + 1, "key": "b", "half": number, "value": 0} for number in (0, 1)]
    assert ledger.check({"notes": halves}) == []
    assert ledger.check({"notes": halves[:1]})
