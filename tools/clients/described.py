"""Clients of styles that documents are in, each against a service of a document in its style.

    python -m tools.clients.described [NAME ...]

Each has an environment of its own. They are their makers' own, in the versions named here, and know nothing
of this service: they read bodies, statuses and headers as strictly as they do with the original.
The exit status is 1 where one failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from attrs import frozen

from tools.clients.originals import PLACE
from tools.processes import serving

_HERE: Final = Path(__file__).parent / "profiles"
_DOCUMENTS: Final = Path(__file__).parents[2] / "tests" / "data" / "contracts"
_SECONDS: Final = 300


@frozen
class Client:
    """`needs`: packages of Python's index; () for one of Node, which tools/clients/package.json pins."""

    script: str
    document: str
    needs: tuple[str, ...] = ()


CLIENTS: Final = {
    "stripe": Client("stripe_like.py", "billing.yaml", ("stripe==16.1.0",)),
    "scim2-client": Client("scim.py", "people.yaml", ("scim2-client==0.13.2", "httpx2==2.16.2")),
    "kubernetes": Client("kubernetes.py", "configs.yaml", ("kubernetes==37.0.2",)),
    "kitsu": Client("json_api.mjs", "articles.json"),
    "ketting": Client("hal.mjs", "shelf.yaml"),
    "odata": Client("odata.mjs", "library.json"),
}


def tried(name: str) -> bool:
    """Whether the client is content."""
    client = CLIENTS[name]
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(Path(scratch), LARS_CONTRACT=str(_DOCUMENTS / client.document), LARS_ANONYMOUS="shared") as (
            _,
            url,
        ),
    ):
        if client.needs:
            more = [part for each in client.needs for part in ("--with", each)]
            command = [
                "uv",
                "run",
                "--no-project",
                "--quiet",
                *more,
                "python",
                str(_HERE / client.script),
                url,
            ]
            done = subprocess.run(command, check=False, timeout=_SECONDS)
        else:
            done = subprocess.run(["node", client.script, url], cwd=PLACE, check=False, timeout=_SECONDS)
    sys.stdout.write(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}\n")
    return done.returncode == 0


def main() -> int:
    names = sys.argv[1:] or list(CLIENTS)
    content = [tried(name) for name in names]
    return 0 if all(content) else 1


if __name__ == "__main__":
    sys.exit(main())
