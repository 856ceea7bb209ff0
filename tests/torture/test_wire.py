"""The bytes that the torture sends and reads."""

from __future__ import annotations

from random import Random

from tools import http_corpus
from tools.torture import http_loop, mutate
from tools.torture.report import Report
from tools.torture.wire import Answer, parse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_responses_are_told_apart() -> None:
    """Pipelined, without a body, interim, of another version; what is cut off is no answer."""
    assert parse(OK + b"HTTP/1.0 400 Bad Request\r\n\r\n") == [Answer(200, b"{}"), Answer(400, b"")]
    assert parse(b"HTTP/1.1 100 Continue\r\n\r\n" + OK) == [Answer(100, b""), Answer(200, b"{}")]
    assert parse(OK[:-1]) == parse(b"") == parse(b"HTTP/1.1 2") == []
    assert parse(OK[:-2]) == [Answer(200, b"")], "the answer to a HEAD"


def test_a_mutants_seed_gives_the_same_bytes() -> None:
    """What a report names can be sent again; and mutants do differ."""
    cases = [case for case in http_corpus.corpus(http_loop.CORPUS) if case.data]
    first, second = ([mutate.mutant(Random(f"{n}"), cases) for n in range(50)] for _ in range(2))

    assert first == second
    assert len(set(first)) > 45
    assert all(len(data) <= mutate.MOST_BYTES for data in first)


def test_a_report_says_how_to_replay() -> None:
    """Every failure names its seed and its command; a run without one needs neither."""
    report = Report("kill", 42, "--kills 3", {"kills": 3})
    assert report.text() == "kill: 0 violations; seed=42 kills=3"
    report.violation("lost")
    assert "replay: python -m tools.torture kill --seed 42 --kills 3" in report.text()
