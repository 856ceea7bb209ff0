"""A node whose keeper is the one without a fence."""

from __future__ import annotations

import sys

from server.__main__ import main
from server.record import client

if __name__ == "__main__":
    getattr(client, "_MODULES")["postgres"] = "tools.torture.builds.unfenced_keeper"  # noqa: B009  it is private
    sys.exit(main())
