"""`metaservice export`, on a data root that no service uses, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson

from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PLANS = {
    "format": "metaservice plans",
    "version": 1,
    "plans": [
        {
            "method": "GET",
            "route": "/greetings/{name:slug}",
            "resource": "greetings",
            "action": "greet",
            "code": ["REPLY = make_response(200, {'hello': params['name']})"],
        }
    ],
}


def metaservice(directory: Path, *arguments: str) -> tuple[int, str, str]:
    environ = {
        **os.environ,
        "SANDBOX_DATA_ROOT": str(directory / "root"),
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": "sk-nobody-is-asked",
    }
    environ.pop("METASERVICE_URL", None)
    ended = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_session_without_a_service(tmp_path: Path) -> None:
    """It works on the data root; a directory with something in it is left alone without --force."""
    (tmp_path / "plans.json").write_bytes(orjson.dumps(PLANS))
    imported = metaservice(tmp_path, "plans", "import", "plans.json", "--session", "hello")
    written = metaservice(tmp_path, "export", "--app", "app", "--session", "hello", "--json")
    refused = metaservice(tmp_path, "export", "--app", "app", "--session", "hello")
    forced = metaservice(
        tmp_path, "export", "--app", "app", "--session", "hello", "--force", "--learned-only"
    )

    assert imported[0] == 0, imported
    assert orjson.loads(written[1])["resources"] == ["greetings"]
    assert '"""Greet greetings."""' in (tmp_path / "app/app/resources/greetings.py").read_text("utf-8")
    assert refused == (1, "", "metaservice: app is not empty; --force writes into it all the same.\n")
    assert forced[:2] == (0, "app has an application of 1 resource: greetings\n")
