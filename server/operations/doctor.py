"""What the service stands on: versions, the guest, the data root, workers and their walls, limits, tokens."""

from __future__ import annotations

import asyncio
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from attrs import asdict, frozen

from server.operations import advisories
from server.sessions.files import ADOPTED
from server.settings.key import is_loopback
from server.values.errors import ServiceError
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.planning.drafting.switch import LearningSwitch
    from server.sessions.directories import DataRoot
    from server.sessions.records import Records
    from server.settings.schema import Settings
    from wasm_runtime.pool import Executor

Verdict: TypeAlias = Literal["ok", "warning", "failed", "unknown"]

_PACKAGES: Final = ("metaservice", "wasmtime", "componentize-py", "aiohttp", "openai", "anthropic")
#: Less free space than this is worth a word: the disk of a few sessions at their limit.
_LITTLE_DISK: Final = 1024**3
#: 64 MiB of the record's log that a checkpoint could not copy.
_MUCH_LOG_PAGES: Final = 16_384
_CONNECT_SECONDS: Final = 5.0


@frozen
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str


@frozen
class Doctor:
    """`executor` is started already, or starts when it is asked to run something."""

    settings: Settings
    root: DataRoot
    executor: Executor
    records: Records
    switch: LearningSwitch | None = None

    async def examine(self, *, reach_provider: bool = False) -> dict[str, Any]:
        """All findings; `ok` unless one has failed. The provider is connected to only if asked for."""
        findings = [finding async for finding in self._findings(reach_provider=reach_provider)]
        return {
            "ok": all(finding.verdict != "failed" for finding in findings),
            "findings": [asdict(finding) for finding in findings],
            "limits": asdict(self.settings.sandbox.limits()),
        }

    async def _findings(self, *, reach_provider: bool) -> AsyncIterator[Finding]:
        yield Finding(
            "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
        )
        yield Finding("packages", "ok", ", ".join(f"{name} {_version(name)}" for name in _PACKAGES))
        yield advisories_finding(advisories.noted(), _version)
        yield self._guest()
        yield self._data_root()
        yield await self._record()
        for finding in self._workers():
            yield finding
        for finding in self._doors():
            yield finding
        yield self._provider(tried=reach_provider)
        if not (self.settings.planner.learn if self.switch is None else self.switch.on):
            yield Finding("learning", "ok", "learn=off (planner.learn): learned routes and conventions alone")
        provider = self.settings.planner.in_use
        if reach_provider and provider is not None:
            yield await self._reach(provider.base_url)

    def _guest(self) -> Finding:
        digest = artifact.source_digest()
        built = (self.settings.store.cache_path / f"guest-{digest}.cwasm").exists()
        if built:
            return Finding("guest", "ok", f"built, {digest}")
        return Finding(
            "guest", "warning", "not built for these sources: the next start does it, in some 20 s"
        )

    def _data_root(self) -> Finding:
        path = self.root.path
        if not self.root.is_writable():
            return Finding("data root", "failed", f"{path} is not writable")
        free = shutil.disk_usage(path).free
        verdict: Verdict = "ok" if free > _LITTLE_DISK else "warning"
        return Finding("data root", verdict, f"{path}, {free // 1024**2} MiB free")

    async def _record(self) -> Finding:
        try:
            found = await self.records.ask("stats")
        except ServiceError as error:
            return Finding("record", "failed", error.detail)
        said = f"{found['sessions']} sessions, {found['total_bytes'] // 1024} KiB"
        if found["waiting"]:
            said += (
                f"; {found['waiting']} still files of an earlier release, taken over when they are asked for"
            )
        if found["adopted"]:
            said += f"; {found['adopted']} taken over: remove *{ADOPTED} when no way back is needed"
        if found["full"]:
            return Finding("record", "failed", f"{said}; full: {found['full']}")
        if found["log_left"] > _MUCH_LOG_PAGES:
            return Finding(
                "record",
                "warning",
                f"{said}; {found['log_left']} pages of its log are held by another reader",
            )
        return Finding("record", "ok", said)

    def _workers(self) -> list[Finding]:
        health = self.executor.health()
        ready, configured = health["ready"], health["configured"]
        verdict: Verdict = "ok" if ready == configured else "failed" if not ready else "warning"
        walls = health.get("enforced") or {}
        missing = [name for name, enforced in walls.items() if not enforced]
        walls_verdict: Verdict = "unknown" if not walls else "warning" if missing else "ok"
        enforced = ", ".join(name for name, holds in walls.items() if holds) or "nothing known"
        refused = f"; refused by the kernel: {', '.join(missing)}" if missing else ""
        return [
            Finding("workers", verdict, f"{ready} of {configured} ready"),
            Finding("confinement", walls_verdict, f"{enforced}{refused}"),
        ]

    def _doors(self) -> list[Finding]:
        auth, server = self.settings.auth, self.settings.server
        names = ", ".join(auth.by_name)
        open_to_all = not names and not is_loopback(server.host)
        tokens = f"needed: {names}" if names else f"none needed by whoever reaches {server.host}"
        return [
            Finding("service tokens", "warning" if open_to_all else "ok", tokens),
            Finding("admin token", "ok", "set" if auth.admin_token else "not set: /_meta/ is for nobody"),
        ]

    def _provider(self, *, tried: bool) -> Finding:
        planner = self.settings.planner
        if planner.missing_key:
            return Finding("provider", "warning", f"conventions, for want of {planner.missing_key}")
        provider = planner.in_use
        if provider is None and planner.idle_servers:
            name = planner.idle_servers[0].upper()
            detail = (
                f"conventions: {name}_BASE_URL is set, but neither {name}_API_KEY nor LARS_DEFAULT_PROVIDER"
            )
            return Finding("provider", "warning", detail)
        if provider is None:
            return Finding("provider", "ok", "conventions: no model, no network")
        where = f"{planner.chosen} at {provider.base_url}"
        drafting = None if self.switch is None else self.switch.drafting
        trouble = None if drafting is None else drafting.author.trouble
        if trouble is not None:
            since = f"{trouble.since:%Y-%m-%d %H:%M:%SZ}"
            return Finding("provider", "warning", f"{where}, last asked in vain on {since}: {trouble.reason}")
        return Finding("provider", "ok", f"{where}{'' if tried else ', not tried'}")

    async def _reach(self, base_url: str) -> Finding:
        """A connection, and nothing said on it: no key is tried, no call is paid for."""
        url = urlsplit(base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(url.hostname, port)
        except (OSError, TimeoutError) as error:
            return Finding("provider's host", "failed", f"{url.netloc}: {type(error).__name__}")
        writer.close()
        return Finding("provider's host", "ok", f"{url.netloc} takes connections (no key was tried)")


def advisories_finding(known: advisories.Advisories, version_of: Callable[[str], str]) -> Finding:
    """Which of the advisories that are noted apply to the installed versions."""
    found: list[str] = []
    unread: list[str] = []
    installed: list[str] = []
    for package in known.sources:
        release = version_of(package)
        library = known.library(package, release)
        installed.append(f"{package} {release}" + (f" (library {library})" if library != release else ""))
        against = known.against(package, release)
        if against is None:
            unread.append(package)
        found += [f"{each.id} ({package} {release}: {each.title})" for each in against or ()]
    answered = "".join(f"answered here, without an advisory: {each}; " for each in known.answered)
    later = f"{answered}noted until {known.as_of}; later ones: {', '.join(known.sources.values())}"
    if found:
        return Finding("advisories", "warning", f"by version, there apply {'; '.join(found)}; {later}")
    if unread:
        return Finding("advisories", "unknown", f"no release to compare: {', '.join(unread)}; {later}")
    return Finding(
        "advisories", "ok", f"none of {len(known.noted)} applies to {', '.join(installed)}; {later}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
