"""Opens the channel that a command needs, runs the command, and turns what goes wrong into a line."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from tarfile import TarError
from typing import TYPE_CHECKING

from server.cli import contract, eject, learning, nodes, other, plans, record, sessions
from server.cli.channel import Channel, HttpChannel, LocalChannel, Refusal
from server.cli.output import Output
from server.cli.progress import Progress
from server.contracts.document import ContractError
from server.planning.dialects.frame.choice import DialectError
from server.planning.learned.library_file import LibraryError
from server.planning.prompt import PromptError
from server.record.record import RecordError
from server.sessions.address import published
from server.sessions.directories import DataRootError, DataRootInUse
from server.sessions.tar_files import NotUnpackedError
from server.settings.reading import CONFIG_VARIABLE, SettingsError, load
from server.telemetry.logs import configure
from wasm_runtime.artifact import ArtifactError
from wasm_runtime.pool import PoolError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from server.cli.options import Commands
    from server.settings.schema import Settings

_FAILURES = (
    *(DataRootError, RecordError, ArtifactError, PoolError, PromptError, LibraryError),
    *(ContractError, DialectError, NotUnpackedError, TarError, OSError, UnicodeDecodeError),
)


def register(commands: Commands) -> None:
    for module in (plans, sessions, contract, record, nodes, eject, learning, other):
        module.register(commands)


def run(options: argparse.Namespace) -> int:
    """The exit status: what the command says, 1 when it was refused or failed, 2 for wrong settings."""
    out = Output(as_json=options.json)
    try:
        settings = load(os.environ | ({CONFIG_VARIABLE: options.config} if options.config else {}))
    except SettingsError as error:
        return _fail(str(error), status=2)
    configure("WARNING", settings.log.format, sys.stderr, secrets=settings.secrets)
    try:
        return asyncio.run(_run(options, settings, out))
    except Refusal as refusal:
        if options.json:
            out.json({"error": refusal.problem})
        return _fail("\n".join(filter(None, (str(refusal), refusal.problem.get("hint", "")))), status=1)
    except BrokenPipeError:
        # Whoever read the output has left, as `head` does; Python would say so once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _FAILURES as error:
        return _fail(_sentence(error), status=1)
    except KeyboardInterrupt:
        return _fail("interrupted", status=130)


async def _run(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    status: int
    if getattr(options, "alone", False):
        # On the data root itself, with no service and no part of one.
        status = await options.run(options, settings, out)
        return status
    async with _channel(options, settings) as channel:
        status = await options.run(options, channel, out)
    # Here, where it is no error that a reader has left; else Python does it at its end, and complains.
    sys.stdout.flush()
    return status


@asynccontextmanager
async def _channel(options: argparse.Namespace, settings: Settings) -> AsyncIterator[Channel]:
    """To `--url`; else to the data root; else to the service that uses it, if its token is known.

    Raises DataRootError, and what `opened` does.
    """
    if options.url:
        async with _http(options.url, settings) as channel:
            yield channel
        return
    keep_library, start = getattr(options, "keep_library", False), getattr(options, "start", False)
    from server.cli.offline import opened  # noqa: PLC0415 - the whole service, which others do without

    offline = opened(settings, Progress(sys.stderr), keep_library=keep_library, start=start)
    try:
        api = await offline.__aenter__()
    except DataRootInUse as error:
        async with _http(_found(settings, error), settings) as channel:
            yield channel
        return
    try:
        yield LocalChannel(api)
    finally:
        await offline.__aexit__(None, None, None)


_NEEDS_ADMIN = (
    "The data root {path} is in use by a running service. To ask that one, start it with LARS_ADMIN_TOKEN "
    "set, and set the same token here: export LARS_ADMIN_TOKEN=..."
)
_NO_ADDRESS = (
    "The data root {path} is in use, and no service that knows this LARS_ADMIN_TOKEN has left its address "
    "there. Start the service with the same token; if it has that already, say where it is with --url or "
    "METASERVICE_URL."
)


@asynccontextmanager
async def _http(url: str, settings: Settings) -> AsyncIterator[Channel]:
    channel = HttpChannel(url, settings.auth.admin_token)
    try:
        yield channel
    finally:
        await channel.close()


def _found(settings: Settings, error: DataRootInUse) -> str:
    """The address of the service that has the data root: what it says itself, nothing that the settings say.

    Raises DataRootError.
    """
    path, token = settings.store.data_path, settings.auth.admin_token
    if not token:
        raise DataRootError(_NEEDS_ADMIN.format(path=path)) from error
    found = published(path, token)
    if found is None:
        raise DataRootError(_NO_ADDRESS.format(path=path)) from error
    return found


def _sentence(error: Exception) -> str:
    """A system's error as the file's name and what is wrong with it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _fail(reason: str, *, status: int) -> int:
    sys.stderr.write("".join(f"metaservice: {line}\n" for line in reason.splitlines()))
    return status
