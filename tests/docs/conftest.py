"""The real server, for pages that show what it answers."""

from __future__ import annotations

from tests.e2e.conftest import start_service

__all__ = ["start_service"]
