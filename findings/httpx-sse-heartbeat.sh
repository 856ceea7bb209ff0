#!/usr/bin/env bash
# httpx-sse 0.4.3 (PyPI): a heartbeat, that is a comment and a blank line, comes out as an event once an id has been seen.
#
# WHATWG HTML, "Interpreting an event stream": if the data buffer is empty at a blank line, no event is dispatched. Here
# the reader gets an event `message` with empty data and the last id, so a handler that parses JSON fails at each
# heartbeat. Before the first id nothing comes out.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpx-sse==0.4.3
venv/bin/python - <<'PY'
import httpx
import httpx_sse

STREAM = b': early\n\nid: 1\ndata: {"n": 1}\n\n: heartbeat\n\nid: 2\ndata: {"n": 2}\n\n'


def answer(request):
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=STREAM)


with httpx.Client(transport=httpx.MockTransport(answer)) as client:
    with httpx_sse.connect_sse(client, "GET", "http://localhost/") as source:
        seen = [(event.id, event.event, event.data) for event in source.iter_sse()]
for each in seen:
    print(each)
assert seen == [("1", "message", '{"n": 1}'), ("1", "message", ""), ("2", "message", '{"n": 2}')]
PY
