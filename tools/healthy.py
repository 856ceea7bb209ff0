"""Whether the service of this container is well: ``python -m tools.healthy``. Exit status 0 or 1."""

from __future__ import annotations

import http.client
import os
import sys

from server.settings.reading import load

_SECONDS = 4.0


def main() -> int:
    """Ask /healthz at the settings' port."""
    port = load(os.environ).server.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        print(response.read().decode())
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {type(error).__name__}", file=sys.stderr)
        return 1
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
