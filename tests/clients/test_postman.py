"""A collection in Postman's format, run by newman: a blog as its own tests would have it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.clients.blog import PLANS
from tests.clients.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.conftest import Node
    from tests.e2e.conftest import StartService

pytestmark = pytest.mark.clients


@contextmanager
def model(plans: Path) -> Iterator[str]:
    """A provider that knows these plans and nothing else, at the base URL that is given."""
    command = [sys.executable, "-m", "tools.simulators", "openai", "--plans", str(plans)]
    process = subprocess.Popen(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("ready at ").strip()
    finally:
        process.kill()
        process.communicate()


def test_a_blog_s_collection(node: Node, start_service: StartService, tmp_path: Path) -> None:
    """Wrapped bodies, slugs, tokens of its own, and actions with a JSON type and no body: nothing fails."""
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    with model(tmp_path / "plans.json") as url:
        service = start_service(
            LARS_DEFAULT_PROVIDER="openai", OPENAI_BASE_URL=url, LARS_SANDBOX_LLM_ALLOWED_HOSTS="127.0.0.1"
        )
        collection = str(HERE / "blog.postman_collection.json")
        reporters = ["--reporters", "cli,json", "--reporter-json-export", "report.json"]
        said = node.run("newman", "run", collection, "--env-var", f"url={service.url}", *reporters)
    run = json.loads((node.directory / "report.json").read_text("utf-8"))["run"]

    assert run["failures"] == [], said
    assert run["stats"]["requests"]["total"] == 18
    assert run["stats"]["assertions"]["total"] >= 18
