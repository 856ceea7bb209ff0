"""Refresh the tests' copies of the corpora from a directory, and say what changed.

    python -m tools.refresh_corpus [DIRECTORY]

DIRECTORY holds `benign.jsonl`, `hostile.jsonl` and `http_hostile.jsonl`; by default it is
`../shared/corpus` beside the repository.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_SOURCE = REPOSITORY.parent / "shared" / "corpus"
DEFAULT_TARGET = REPOSITORY / "tests" / "data"
NAMES = ("benign.jsonl", "hostile.jsonl", "http_hostile.jsonl")


def main(arguments: list[str]) -> int:
    """0 when the copies are refreshed, 1 when there is nothing to copy from."""
    source = Path(arguments[0]) if arguments else DEFAULT_SOURCE
    missing = [name for name in NAMES if not (source / name).is_file()]
    if missing:
        print(f"{source} lacks {', '.join(missing)}", file=sys.stderr)
        return 1
    for name in NAMES:
        print(refresh(source / name, DEFAULT_TARGET / name))
    return 0


def refresh(source: Path, target: Path) -> str:
    """Copy one corpus and describe the change, by the ids of its cases. Raises ValueError on a bad line."""
    old = _lines_by_id(target) if target.exists() else {}
    new = _lines_by_id(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    return f"{target.name}: {len(new)} cases{_difference(old, new)}"


def _lines_by_id(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["id"]: line for line in lines}


def _difference(old: dict[str, str], new: dict[str, str]) -> str:
    changes = {
        "added": new.keys() - old.keys(),
        "removed": old.keys() - new.keys(),
        "changed": {key for key in old.keys() & new.keys() if old[key] != new[key]},
    }
    told = "".join(f"; {word} {', '.join(sorted(ids))}" for word, ids in changes.items() if ids)
    return told or "; no change"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
