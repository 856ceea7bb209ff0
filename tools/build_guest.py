"""Builds the guest into the cache that the settings name: ``python -m tools.build_guest``, for images."""

from __future__ import annotations

import os
import sys

from server.cli.progress import Progress
from server.settings.reading import load
from wasm_runtime import artifact


def main() -> None:
    """Raises SettingsError, ArtifactError."""
    built = artifact.ensure(load(os.environ).store.cache_path, Progress(sys.stderr))
    print(built.path)


if __name__ == "__main__":
    main()
