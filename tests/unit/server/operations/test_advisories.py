"""Which advisories apply to what is installed, and what the doctor says of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from server.operations.advisories import noted, parsed, read
from server.operations.doctor import advisories_finding

ROOT = Path(__file__).parents[4]
FILE = """
as_of = 2026-01-02
[sources]
engine = "https://example.com/engine"
parser = "https://example.com/parser"
[bundled.engine]
"9.0.1" = "9.0.0"
[[advisory]]
id = "A-1"
package = "engine"
title = "Escape"
safe = ["< 7.0.0", ">= 8.0.4, < 9.0.0", ">= 9.0.1"]
[[advisory]]
id = "A-2"
package = "parser"
title = "Smuggling"
safe = [">= 3.14.4"]
"""


@pytest.mark.parametrize(
    ("package", "release", "ids"),
    [
        ("engine", "6.9.9", []),
        ("engine", "7.0.0", ["A-1"]),
        ("engine", "8.0.3", ["A-1"]),
        ("engine", "8.0.4", []),
        ("engine", "8.10.0", []),
        ("engine", "9.0.0", ["A-1"]),
        ("engine", "9.0.1", ["A-1"]),  # its library is 9.0.0
        ("engine", "9.0.2", []),
        ("engine", "10.0.0", []),
        ("parser", "3.14.3", ["A-2"]),
        ("parser", "3.14.4", []),
        ("parser", "3.14.10", []),
        ("parser", "3.14", ["A-2"]),
        ("parser", "4.0", []),
        ("parser", "3.14.4rc1", None),
        ("parser", "missing", None),
    ],
)
def test_what_applies(package: str, release: str, ids: list[str] | None) -> None:
    found = read(FILE).against(package, release)

    assert (None if found is None else [each.id for each in found]) == ids


@pytest.mark.parametrize(
    ("engine", "parser", "verdict", "said"),
    [
        (
            "8.0.4",
            "3.14.4",
            "ok",
            "none of 2 applies to engine 8.0.4, parser 3.14.4; noted until 2026-01-02; later",
        ),
        (
            "9.0.1",
            "3.14.4",
            "warning",
            "by version, there apply A-1 (engine 9.0.1: Escape); noted until 2026-01-02; later",
        ),
        (
            "9.0.0",
            "3.14.3",
            "warning",
            "by version, there apply A-1 (engine 9.0.0: Escape); A-2 (parser 3.14.3: Smuggling)",
        ),
        ("missing", "3.14.4", "unknown", "no release to compare: engine; noted until 2026-01-02"),
        ("missing", "3.14.3", "warning", "by version, there apply A-2"),
    ],
)
def test_what_the_doctor_says(engine: str, parser: str, verdict: str, said: str) -> None:
    """What applies, else what could not be compared, else that nothing is known, and until when."""
    finding = advisories_finding(read(FILE), {"engine": engine, "parser": parser}.__getitem__)

    assert (finding.name, finding.verdict) == ("advisories", verdict)
    assert finding.detail.startswith(said)
    assert finding.detail.endswith("https://example.com/engine, https://example.com/parser")


def test_faults_that_are_answered() -> None:
    """They are told with the version they were seen in and what is done, and are no reason to warn."""
    entry = '[[answered]]\npackage = "parser"\nseen_in = "3.14.4"\nfault = "Mixes"\nanswer = "asked once"\n'
    versions = {"engine": "8.0.4", "parser": "3.14.4"}
    finding = advisories_finding(read(f"{FILE}\n{entry}"), versions.__getitem__)

    assert finding.verdict == "ok"
    assert "; answered here, without an advisory: parser 3.14.4: Mixes; asked once; noted" in finding.detail
    assert [(each.package, each.seen_in) for each in noted().answered] == [("aiohttp", "3.14.5")]
    with pytest.raises(ValueError, match="seen_in"):
        read(f"{FILE}\n{entry.replace('seen_in', 'seen')}")


@pytest.mark.parametrize(
    "wrong",
    ["", FILE.replace(">= 3.14.4", "~= 3.14"), FILE.replace(">= 3.14.4", ">="), FILE.replace("id =", "x =")],
)
def test_a_file_that_is_none(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(wrong)


def test_the_file_that_there_is() -> None:
    """Every entry has an identifier of a public database, once, and is of a package that is watched."""
    known = noted()
    ids = [name for each in known.noted for name in (each.id, *each.aliases)]

    assert {each.package for each in known.noted} == set(known.sources)
    assert all(re.fullmatch(r"RUSTSEC-\d{4}-\d{4}|CVE-\d{4}-\d+|GHSA(-[0-9a-z]{4}){3}", name) for name in ids)
    assert len(ids) == len(set(ids))
    assert all(parsed(version) for releases in known.bundled.values() for version in releases.values())


@pytest.mark.parametrize("package", ["wasmtime", "aiohttp"])
def test_no_noted_advisory_applies_to_a_version_that_is_pinned(package: str) -> None:
    """An entry that does is a reason to raise the pin, or to say here why it need not be."""
    uv = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    (pinned,) = [each for each in uv["constraint-dependencies"] if each.startswith(f"{package}==")]

    assert noted().against(package, pinned.partition("==")[2]) == ()
