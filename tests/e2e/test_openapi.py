"""The document of a real session, by those who live on such documents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.e2e.shop import SECRET, open_shop

if TYPE_CHECKING:
    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService

TOKEN = "the-token"
#: How long Schemathesis goes on in each of its two tests. `just schemathesis` says longer, and draws inputs
#: anew; without it they are the same each time.
SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "")
HOW_LONG = ("--max-time", SECONDS) if SECONDS else ("--max-time", "6", "--seed", "1")


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What a command printed; it must succeed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


ENFORCED = "[schema]\nenforce = true\n[conventions]\ndelete_collections = true\n"


@pytest.fixture(params=["", ENFORCED], ids=["learning", "enforced"])
def secured(request: pytest.FixtureRequest, start_service: StartService, tmp_path: Path) -> RunningService:
    """A service with a token, whose collections learn what comes, or keep their types and can be deleted."""
    (tmp_path / "settings.toml").write_text(request.param)
    return start_service(LARS_CONFIG=str(tmp_path / "settings.toml"), LARS_AUTH_TOKEN=TOKEN)


def test_the_document_is_valid_and_holds_no_values(client: Client) -> None:
    """And shows what the session has come to, whenever it is asked for."""
    assert client.read("/openapi.json")["paths"] == {}
    open_shop(client)
    answer = client.get("/openapi.json")

    OpenAPIV31SpecValidator(answer.json).validate()
    assert len(answer.json["paths"]) == (5 + 4) * 5
    assert SECRET.encode() not in answer.body
    assert client.get("/swagger.json").body == answer.body


def test_types_as_learned(client: Client) -> None:
    """What all records have, null or not, is required; what one lacks is not; ids are as they are."""
    client.create("/notes", [{"a": 1, "b": None, "c": "x", "l": ["x"]}, {"a": "y", "b": 2, "l": []}])
    client.create("/plans", {"id": "pro", "n": 1})
    document = client.read("/openapi.json?types=learned")
    OpenAPIV31SpecValidator(document).validate()
    note = document["components"]["schemas"]["notes.record"]
    (slot,) = [
        each for each in document["paths"]["/plans/{id}"]["get"]["parameters"] if each.get("in") == "path"
    ]

    assert note["required"] == ["id", "a", "b", "l"]
    assert note["properties"]["a"] == {"type": ["integer", "string"]}
    assert note["properties"]["b"] == {"type": ["integer", "null"]}
    assert note["properties"]["l"] == {"type": "array", "items": {"type": "string"}}
    assert slot["schema"]["type"] == "string"
    assert client.get("/openapi.json?types=all").status == 400


@pytest.mark.long
def test_schemathesis_finds_nothing(secured: RunningService, tmp_path: Path) -> None:
    """All checks, examples, limits, random data, sequences, and no hooks: what the document says is so."""
    open_shop(secured.client("shop", Authorization=f"Bearer {TOKEN}"))
    said = run(
        *("-m", "schemathesis.cli", "run", f"{secured.url}/openapi.json?session=shop"),
        *("--checks", "all", "-H", "X-Session-ID: shop", "-H", f"Authorization: Bearer {TOKEN}"),
        *("--continue-on-failure", *HOW_LONG),
        cwd=tmp_path,
    )

    found = re.search(r"(\d+) generated, (\d+) passed", said)
    assert found is not None, said
    assert found[1] == found[2] != "0"


def test_a_generated_client(start_service: StartService, tmp_path: Path) -> None:
    """A Python client made from the document creates, reads, lists, changes and deletes."""
    secured = start_service(LARS_AUTH_TOKEN=TOKEN)
    client = secured.client("shop", Authorization=f"Bearer {TOKEN}")
    open_shop(client)
    (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json?types=learned").body)
    generate = ["generate", "--path", "openapi.json", "--meta", "none", "--output-path", "shop_client"]
    said = run("-m", "openapi_python_client", *generate, cwd=tmp_path)
    used = run(
        str(Path(__file__).with_name("use_generated_client.py")),
        secured.url,
        TOKEN,
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )

    assert "WARNING" not in said, said
    assert used.splitlines()[-1] == "created, read, listed, changed, replaced, deleted"
