"""The address that a service leaves: taken from the service that is there, and from nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.sessions import address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "admin-token-of-tests"
URL = "http://127.0.0.1:8123"


def test_it_is_there_until_it_is_withdrawn(tmp_path: Path) -> None:
    """For the owner alone, and a second one takes the place of the first."""
    address.publish(tmp_path, "127.0.0.1", 1, TOKEN)
    address.publish(tmp_path, "127.0.0.1", 8123, TOKEN)

    assert address.published(tmp_path, TOKEN) == URL
    assert [path.name for path in tmp_path.iterdir()] == ["address"]
    assert (tmp_path / "address").stat().st_mode & 0o777 == 0o600
    assert TOKEN not in (tmp_path / "address").read_text()
    address.withdraw(tmp_path)
    address.withdraw(tmp_path)
    assert address.published(tmp_path, TOKEN) is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fd00::7", "http://[fd00::7]:80"),
    ],
)
def test_it_is_where_the_machine_itself_gets_to(host: str, url: str) -> None:
    assert address.url_of(host, 80) == url


def test_another_token_does_not_vouch_for_it(tmp_path: Path) -> None:
    address.publish(tmp_path, "127.0.0.1", 8123, "another")

    assert address.published(tmp_path, TOKEN) is None


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda it: it | {"url": "http://127.0.0.1:9"},
    lambda it: it | {"pid": 1},
    lambda it: it | {"proof": "0" * 64},
    lambda it: it | {"proof": "\u00fc"},
    lambda it: it | {"salt": "zz"},
    lambda it: it | {"salt": 3},
    lambda it: it | {"more": 1},
    lambda it: {name: value for name, value in it.items() if name != "proof"},
    lambda _: [],
    lambda _: None,
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_no_address(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Whoever can write below the data root, but does not know the token, leads nobody anywhere."""
    address.publish(tmp_path, "127.0.0.1", 8123, TOKEN)
    file = tmp_path / "address"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))

    assert address.published(tmp_path, TOKEN) is None


def test_neither_is_a_link_nor_anything_large(tmp_path: Path) -> None:
    address.publish(tmp_path, "127.0.0.1", 8123, TOKEN)
    file = tmp_path / "address"
    text = file.read_text()
    file.write_text(" " * 4_096 + text)
    large = address.published(tmp_path, TOKEN)
    file.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text(text)
    file.symlink_to(tmp_path / "elsewhere")

    assert (large, address.published(tmp_path, TOKEN)) == (None, None)


def test_one_that_is_from_a_process_that_ended_counts_no_more(tmp_path: Path) -> None:
    """Even if its id is somebody else's now: a process has a start, too."""
    code = (
        "import sys, pathlib; from server.sessions import address; "
        "address.publish(pathlib.Path(sys.argv[1]), '127.0.0.1', 8123, sys.argv[2]); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), TOKEN], stdin=subprocess.PIPE
    ) as process:
        while not (tmp_path / "address").exists():
            assert process.poll() is None
        alive = address.published(tmp_path, TOKEN)
    assert (alive, address.published(tmp_path, TOKEN)) == (URL, None)

    ours = {**address._process(os.getpid()), "started": 1}
    document = {"url": URL, **ours, "salt": "00"}
    signed = {**document, "proof": address._proof(document, TOKEN)}
    (tmp_path / "address").write_text(json.dumps(signed))
    assert address.published(tmp_path, TOKEN) is None
