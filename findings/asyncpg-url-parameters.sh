#!/usr/bin/env bash
# asyncpg 0.32.0 (PyPI): a URL that names a setting of the server, `?search_path=shop`, is taken, and libpq's clients
# refuse the same URL.
#
# PostgreSQL 18, "Connection URIs": behind `?` stand parameters that libpq knows, and a setting goes into `options=-c`.
# asyncpg sends what it does not know as a setting of its own. So a URL that a service runs with cannot be given to
# psql, pg_dump or psycopg; one with `options=-c search_path=shop` can, and asyncpg sends that, too.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet asyncpg==0.32.0 "psycopg[binary]==3.2.13"
venv/bin/python - <<'PY'
import asyncio

import asyncpg
import psycopg
from psycopg.conninfo import conninfo_to_dict


async def startup(query):
    """The parameters of the first message to the server."""
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader, writer):
        size = int.from_bytes(await reader.readexactly(4), "big")
        heard.set_result((await reader.readexactly(size - 4))[4:])
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await asyncpg.connect(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&{query}", timeout=5)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncio.TimeoutError):
        pass  # nobody answers
    server.close()
    words = (await heard).decode().split("\0")
    return dict(zip(words[::2], words[1::2]))


def refused(query):
    try:
        conninfo_to_dict(f"postgresql://u@127.0.0.1/d?{query}")
    except psycopg.ProgrammingError as error:
        return str(error).strip()
    return ""


for query in ("search_path=shop", "options=-c%20search_path%3Dshop"):
    sent = asyncio.run(startup(query))
    print(f"{query}: asyncpg sends", {k: v for k, v in sent.items() if k in ("search_path", "options")})
    print("   libpq:", refused(query) or "takes it")
assert asyncio.run(startup("search_path=shop"))["search_path"] == "shop"
assert refused("search_path=shop") == 'invalid URI query parameter: "search_path"'
assert not refused("options=-c%20search_path%3Dshop")
PY
