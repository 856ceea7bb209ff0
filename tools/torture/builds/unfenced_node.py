"""A node whose keeper is the one without a fence."""

from __future__ import annotations

import sys

from server.__main__ import main
from server.record import client

if __name__ == "__main__":
    client.MODULES["postgres"] = "tools.torture.builds.unfenced_keeper"
    sys.exit(main())
