"""Installs what package.json pins, starts the service and the originals, and tries the one with the others.

    python -m tools.clients [--short]

`--short`: the clients alone. Everything is below `.clients/`, and listens on loopback. The exit status is 1
where a client failed, or where an answer differs from the original's without a reason in docs/dialects.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.clients import described, originals
from tools.clients.cases import CASES, DATA, KNOWN
from tools.clients.compare import ask, difference
from tools.clients.originals import PLACE
from tools.processes import serving

_HERE = Path(__file__).parent
#: Its script and its dialect.
_CLIENTS = {
    "ra-data-json-server": ("providers.mjs", "json-server"),
    "ra-data-simple-rest": ("providers.mjs", "ra-data-simple-rest"),
    "@supabase/postgrest-js": ("postgrest.mjs", "postgrest"),
    "json-server's front end": ("frontend.mjs", "json-server"),
    "json-server 1's front end": ("frontend.mjs", "json-server-1"),
    "kitsu": ("kitsu.mjs", "json-api"),
    "pocketbase": ("pocketbase.mjs", "pocketbase"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.clients", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the clients alone")
    options = parser.parse_args()
    _install()
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch)) as (_, url):
        failed = [name for name in _CLIENTS if not _client(name, url)]
        failed += [name for name in described.CLIENTS if not described.tried(name)]
        differing = (
            0 if options.short else sum(_compared(name, url, Path(scratch)) for name in originals.NAMES)
        )
    return 1 if failed or differing else 0


def _install() -> None:
    PLACE.mkdir(exist_ok=True)
    for path in (*_HERE.glob("*.mjs"), *_HERE.glob("profiles/*.mjs")):
        shutil.copy(path, PLACE)
    wanted = (_HERE / "package.json").read_text("utf-8")
    kept = PLACE / "package.json"
    if kept.exists() and kept.read_text("utf-8") == wanted and (PLACE / "node_modules").exists():
        return
    kept.write_text(wanted, "utf-8")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=PLACE, check=True)


def _client(name: str, url: str) -> bool:
    script, dialect = _CLIENTS[name]
    command = ["node", script, name, url, f"client-{script[:-4]}-{dialect}", dialect]
    return subprocess.run(command, cwd=PLACE, check=False, timeout=120).returncode == 0


def _seeded(name: str, url: str, said: dict[str, str]) -> dict[str, Any]:
    """The data to begin with, put into the service."""
    data = DATA[name]
    for collection, records in data.items():
        if isinstance(records, dict):
            ask(url, "PUT", f"/{collection}", records, **said)
            continue
        for record in records:
            if name == "pocketbase":
                ask(url, "POST", f"/api/collections/{collection}/records", record, **said)
            else:
                ask(url, "POST", f"/{collection}", record, **{**said, "X_Dialect": "json-server"})
    return data


def _compared(name: str, url: str, scratch: Path) -> int:
    """How many answers differ and are not known to."""
    said = {"X_Session_ID": f"compare-{name}", "X_Dialect": name}
    data = _seeded(name, url, said)
    differing = known = 0
    with originals.running(name, data, scratch) as original:
        for method, target, body in CASES[name]:
            target = quote(target, safe="/?=&%:,.-_$^*~!@")  # noqa: PLW2901
            found = difference(ask(original, method, target, body), ask(url, method, target, body, **said))
            is_known = any(f"{method} {target}".startswith(each) for each in KNOWN[name])
            if found and not is_known:
                differing += 1
                sys.stdout.write(f"{name}: {method} {target}: {found}\n")
            known += bool(found) and is_known
    sys.stdout.write(f"{name}: {len(CASES[name])} requests, {differing} differ, {known} more as documented\n")
    return differing


if __name__ == "__main__":
    sys.exit(main())
