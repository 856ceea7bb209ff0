#!/usr/bin/env bash
# aiosseclient 0.1.8 (PyPI): an event's data is cut at U+2028 and U+0085, and the rest of it is dropped with a warning.
#
# WHATWG HTML, "Parsing an event stream": only CR, LF and CRLF end a line. JSON may hold U+2028 unescaped (RFC 8259,
# section 7), so a plain JSON encoder that leaves text as it is loses half of the event here. ASCII JSON is safe.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5 aiosseclient==0.1.8
venv/bin/python - <<'PY'
import asyncio

from aiohttp import web
from aiosseclient import aiosseclient

TEXTS = ["line\u2028separator", "next\u0085line", "plain"]


async def events(request):
    text = "".join(f"data: {each}\n\n" for each in TEXTS)
    return web.Response(body=text.encode(), headers={"content-type": "text/event-stream"})


async def main():
    app = web.Application()
    app.router.add_get("/", events)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    seen = []
    async for event in aiosseclient(f"http://127.0.0.1:{runner.addresses[0][1]}/"):
        seen.append(event.data)
        if event.data == "plain":
            break
    await runner.cleanup()
    return seen


seen = asyncio.run(asyncio.wait_for(main(), 20))
print("sent:", TEXTS)
print("seen:", seen)
assert seen == ["line", "next", "plain"]
PY
