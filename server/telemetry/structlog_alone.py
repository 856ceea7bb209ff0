"""structlog without rich: to be imported before anything that imports structlog.

structlog.dev imports rich where it is there, to print tracebacks with it. No log of this service has any. So
whoever serves does without 66 modules, which take longer than a tenth of the start, and 3 MiB.
"""

from __future__ import annotations

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # As the import system has it, that is: it is not there.
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog.dev  # noqa: F401
    finally:
        del sys.modules["rich"]
