#!/usr/bin/env bash
# jsonpatch 1.48 (PyPI) with in_place=True: a `move` that fails has already removed the value at `from`.
#
# RFC 6902, section 5, and RFC 5789 want a failed patch to leave the document as it was. With one single `move` whose
# target has no parent, the error is raised, and the value is in neither place. Without in_place nothing is lost.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet jsonpatch==1.48
venv/bin/python - <<'PY'
import jsonpatch

PATCH = [{"op": "move", "from": "/total", "path": "/sums/total"}]


def after(in_place: bool) -> dict:
    document = {"total": 12, "items": []}
    try:
        jsonpatch.apply_patch(document, PATCH, in_place=in_place)
    except jsonpatch.JsonPointerException as error:
        print(f"in_place={in_place}: {error}; the document is now {document}")
    return document


assert after(in_place=False) == {"total": 12, "items": []}
assert after(in_place=True) == {"items": []}
PY
