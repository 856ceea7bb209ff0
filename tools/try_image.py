"""Does what the Dockerfile says without a container: ``python -m tools.try_image [PYTHON]``, as root.

The build stage's RUN lines run in a scratch directory, with the image's paths below it and this machine's own
Python in the place of the base image's. Then the service is started as the image's user in the image's
environment, and asked by the image's HEALTHCHECK. Not tried: the base image, the final stage's RUN lines,
and what a container runtime adds.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from attrs import define, field

ROOT: Final = Path(__file__).resolve().parent.parent
#: The image's directories that are moved into the scratch directory.
_MOVED: Final = ("/opt/metaservice", "/src", "/data", "/etc/metaservice")
#: One that every user can reach; with venv and pip.
_PYTHON: Final = "/usr/bin/python3"
_START_SECONDS: Final = 30.0
_PORT: Final = "8917"


@define
class Stage:
    """Instructions of one stage, in their order; `env` are its variables."""

    steps: list[tuple[str, str]] = field(factory=list)
    env: dict[str, str] = field(factory=dict)

    def last(self, name: str) -> str:
        return [text for each, text in self.steps if each == name][-1]


def stages(dockerfile: str) -> list[Stage]:
    """The stages of a Dockerfile; enough of its grammar for ours."""
    found: list[Stage] = []
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        name, _, text = line.strip().partition(" ")
        if name == "FROM":
            found.append(Stage())
        elif name and found:
            found[-1].steps.append((name, text))
            if name == "ENV":
                found[-1].env |= dict(part.split("=", 1) for part in shlex.split(text))
    return found


class Trial:
    def __init__(self, scratch: Path, dockerfile: str) -> None:
        self._scratch = scratch
        self._build, self._final = stages(dockerfile)

    def _moved(self, text: str) -> str:
        for place in _MOVED:
            text = re.sub(rf"(?<![\w.]){re.escape(place)}\b", f"{self._scratch}{place}", text)
        return text

    def base(self, python: Path) -> None:
        """Have `python` be what the base image has."""
        programs = self._scratch / "usr/local/bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(python)

    @property
    def _path(self) -> str:
        return f"{self._scratch}/usr/local/bin:{os.environ['PATH']}"

    def build(self) -> None:
        """COPY and RUN of the build stage. Raises CalledProcessError."""
        place = Path(self._moved(self._build.last("WORKDIR")))
        place.mkdir(parents=True)
        for name, text in self._build.steps:
            if name == "COPY":
                *sources, target = text.split()
                for source in sources:
                    _copy(ROOT / source, place / target)
            elif name == "RUN":
                print(f"RUN {text}", flush=True)
                env = os.environ | self._build.env | {"PATH": self._path}
                subprocess.run(["sh", "-ec", self._moved(text)], cwd=place, env=env, check=True)
        # The next stage has nothing of this one but what it copies.
        shutil.rmtree(place)

    def serve(self) -> None:
        """Start the image's command as the image's user, until its HEALTHCHECK says that it is well."""
        user, group = map(int, self._final.last("USER").split(":"))
        for place in ("/data", "/etc/metaservice"):
            Path(self._moved(place)).mkdir(parents=True)
        os.chown(self._moved("/data"), user, group)
        env = {name: self._moved(value) for name, value in self._final.env.items()}
        env |= {"PATH": env["PATH"].replace("$PATH", self._path), "LARS_PORT": _PORT}
        options = {"user": user, "group": group, "extra_groups": [], "env": env}
        options["cwd"] = self._moved(self._final.last("WORKDIR"))
        command = json.loads(self._final.last("ENTRYPOINT")) + json.loads(self._final.last("CMD"))
        check = json.loads(self._final.last("HEALTHCHECK").partition("CMD ")[2])
        service = subprocess.Popen(command, **options)  # type: ignore[call-overload]
        try:
            self._await_health(check, options)
        finally:
            service.terminate()
            status = service.wait()
        print(f"stopped with status {status}")
        if status:
            raise SystemExit(status)

    def _await_health(self, check: list[str], options: dict[str, object]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(check, check=False, **options).returncode:  # type: ignore[call-overload]
            if time.monotonic() > deadline:
                raise SystemExit("the service did not become healthy")
            time.sleep(0.5)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="metaservice-image-") as scratch:
        Path(scratch).chmod(0o755)
        os.umask(0o022)
        trial = Trial(Path(scratch), (ROOT / "Dockerfile").read_text("utf-8"))
        trial.base(Path(sys.argv[1] if len(sys.argv) > 1 else _PYTHON))
        trial.build()
        trial.serve()


if __name__ == "__main__":
    main()
