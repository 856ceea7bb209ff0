from __future__ import annotations

import pytest

from tools.growth import Finding, main


@pytest.mark.parametrize(
    ("many", "verdict"),
    [
        ((15.0, 15.0, 90.0), "ratio 1.50 (rounds from 1.50 to 9.00); at most 1.5: holds"),
        ((16.0, 16.0, 1.0), "ratio 1.60 (rounds from 0.10 to 1.60); at most 1.5: DOES NOT HOLD"),
    ],
)
def test_the_median_of_the_rounds_decides(many: tuple[float, ...], verdict: str) -> None:
    """A ratio is taken in each round, its median against the promise; one odd round changes nothing."""
    finding = Finding("by id", 1.5, (10.0, 10.0, 10.0), many)

    assert str(finding).endswith(verdict)


def test_a_small_run(guest_artifact: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Both sessions are filled through the real guest, and each way of finding has its two lines."""
    arguments = ["--small=20", "--large=1500", "--rounds=2", "--requests=3", "--warm-up=9"]

    assert main(arguments) == 0
    filled, large, *findings = capsys.readouterr().out.splitlines()
    assert filled.startswith("filled small: 20 records in ")
    assert large.startswith("filled large: 1500 records in ")
    assert [line.split(":")[0] for line in findings] == [
        "by id, a request",
        "by id, its run",
        "by an indexed field, a request",
        "by an indexed field, its run",
    ]
