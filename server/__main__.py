"""The command line: read the settings, set up the log, run until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from server.telemetry import structlog_alone  # noqa: F401  before anything that imports structlog

# isort: split
import structlog

from server.cli.progress import Progress
from server.concurrency.aside import prepare_process
from server.contracts.document import ContractError
from server.planning.dialects.frame.choice import DialectError
from server.planning.learned.library_file import LibraryError
from server.planning.prompt import PromptError
from server.record.record import RecordError
from server.sessions.directories import DataRootError
from server.settings.development import OPENED, opened
from server.settings.exposure import warnings
from server.settings.reading import CONFIG_VARIABLE, SettingsError, load
from server.telemetry.logs import configure
from server.telemetry.tracing import from_environment
from wasm_runtime import allocator, artifact
from wasm_runtime.artifact import ArtifactError
from wasm_runtime.pool import PoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.service import Service
    from server.settings.planner import PlannerSettings
    from server.settings.schema import Settings
    from server.telemetry.tracing import Tracing

log = structlog.get_logger()

_PR_SET_DUMPABLE = 4
_ANONYMOUS = "LARS_ANONYMOUS"
#: Command-line options are variables that win over the environment, so they are checked in one place.
_OPTIONS = {
    "config": CONFIG_VARIABLE,
    "host": "LARS_HOST",
    "port": "LARS_PORT",
    "dialect": "LARS_DIALECT",
    "contract": "LARS_CONTRACT",
    "cors": "LARS_CORS_ORIGINS",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the process's exit status: 0, 1 when it cannot run, 2 for wrong settings."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(whole=words[:1] != ["serve"]).parse_args(words)
    if "run" in options:
        from server.cli import run as command_line  # noqa: PLC0415 - see _parser

        return command_line.run(options)
    texts = {name: ",".join(text) if isinstance(text, list) else text for name, text in vars(options).items()}
    given = {_OPTIONS[name]: str(text) for name, text in texts.items() if name in _OPTIONS and text}
    seed: Path | None = getattr(options, "seed", None)
    if seed is not None and not os.environ.get(_ANONYMOUS):
        given[_ANONYMOUS] = "shared"
    dev = getattr(options, "dev", False)
    admin_token = ""

    def read() -> Settings:
        found = load(os.environ | given)
        return opened(found, admin_token) if dev else found

    try:
        settings = read()
    except SettingsError as error:
        return _fail(error, status=2)
    _hide_memory()
    configure(settings.log.level, settings.log.format, sys.stderr, secrets=settings.secrets)
    if "build" in options:
        return _build(settings)
    admin_token = settings.auth.admin_token
    return _started(settings, read, seed, dev=dev)


def _started(settings: Settings, read_again: Callable[[], Settings], seed: Path | None, *, dev: bool) -> int:
    """Until the service ends."""
    try:
        if seed is not None and not _seeded(settings, seed):
            return 1
        return _serve(settings, read_again, dev=dev)
    except KeyboardInterrupt:
        return _fail("interrupted", status=130)
    except (DataRootError, RecordError, ArtifactError, PoolError) as error:
        return _fail(error, status=1)
    except (PromptError, LibraryError, DialectError, ContractError) as error:
        return _fail(error, status=1)
    except OSError as error:
        where = f"{settings.server.host} port {settings.server.port}"
        return _fail(f"cannot listen on {where}: {error.strerror}", status=1)


def _parser(*, whole: bool = True) -> argparse.ArgumentParser:
    """With `serve` alone where that was asked for: it need not wait for what other commands import."""
    parser = argparse.ArgumentParser(
        prog="metaservice", description="An HTTP service without fixed endpoints."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the service")
    serve.add_argument("--config", metavar="FILE", help="settings file (default: ./metaservice.toml)")
    serve.add_argument("--host", help="address to listen on")
    serve.add_argument("--port", help="port to listen on")
    serve.add_argument(
        "--dialect", metavar="NAME", help="whose words requests are read in: docs/dialects.md has the names"
    )
    serve.add_argument(
        "--contract", metavar="FILE", help="an API description (OpenAPI, Swagger) whose API is served"
    )
    serve.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="a db.json to begin with; requests without X-Session-ID share a session then",
    )
    serve.add_argument(
        "--cors",
        metavar="ORIGIN",
        action="append",
        help="an origin whose pages may use the service, such as http://localhost:5173; may be given again",
    )
    serve.add_argument(
        "--dev",
        action="store_true",
        help="for your own machine: opens the console, CORS for pages on localhost, one session for requests "
        "that name none, and DELETE of collections",
    )
    if whole:
        build = commands.add_parser("build", help="build the sandboxed Python beforehand, for the next start")
        build.add_argument("--config", metavar="FILE", help="settings file (default: ./metaservice.toml)")
        build.set_defaults(build=True)
        from importlib.metadata import version  # noqa: PLC0415

        from server.cli import run as command_line  # noqa: PLC0415

        parser.add_argument("--version", action="version", version=f"%(prog)s {version('metaservice')}")
        command_line.register(commands)
    return parser


def _fail(reason: object, *, status: int) -> int:
    sys.stderr.write("".join(f"metaservice: {line}\n" for line in str(reason).splitlines()))
    return status


def _seeded(settings: Settings, seed: Path) -> bool:
    from server.cli.channel import Refusal  # noqa: PLC0415 - what others start without
    from server.cli.seed import plant  # noqa: PLC0415

    try:
        for line in (*asyncio.run(plant(settings, seed)), _whose(settings)):
            sys.stderr.write(f"metaservice: {line}\n")
    except Refusal as refusal:
        _fail(refusal, status=1)
        return False
    return True


def _whose(settings: Settings) -> str:
    """Who comes to the seed's session. `--seed` means all, whatever the file says of the others."""
    if settings.sessions.anonymous == "shared":
        return f"--seed: requests without X-Session-ID share its session; {_ANONYMOUS}=reject shuts it"
    return f"--seed: no request reaches its session, as {_ANONYMOUS}=reject shuts it"


def _serve(settings: Settings, read_again: Callable[[], Settings], *, dev: bool) -> int:
    tracing = from_environment(os.environ)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(settings, tracing, read_again, dev=dev))
    return 0


def _build(settings: Settings) -> int:
    """Build the guest for the next start, beside a service that runs."""
    try:
        built = artifact.ensure(settings.store.cache_path, Progress(sys.stderr))
    except OSError as error:
        return _fail(f"{settings.store.cache_path}: {error.strerror}", status=1)
    except ArtifactError as error:
        return _fail(error, status=1)
    sys.stdout.write(f"metaservice: the sandboxed Python is built: {built.path}\n")
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(
    settings: Settings, tracing: Tracing | None, read_again: Callable[[], Settings], *, dev: bool
) -> None:
    """Until SIGTERM or SIGINT; then gracefully, unless a second one comes. SIGHUP: read the tokens again.

    While the service starts, a signal still ends the process at once: nothing is under way.
    """
    from server.starting import started  # noqa: PLC0415 - what other commands need not wait for

    service = await started(settings, tracing=tracing, progress=Progress(sys.stderr))
    service.keep_off_workers()
    prepare_process()
    allocator.give_back_large_blocks()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _renew_tokens, service, read_again)
    _warn_of_planner(settings.planner)
    for event, members in warnings(settings):
        log.warning(event, **members)
    sys.stdout.write(_banner(service, settings) + "\n")
    if dev:
        sys.stdout.write(f"metaservice: {OPENED}\nmetaservice: console: {service.console_link()}\n")
    sys.stdout.flush()
    await stop.wait()
    for number in signals:
        loop.remove_signal_handler(number)
    await service.close()
    sys.stdout.write("metaservice: stopped, goodbye\n")
    sys.stdout.flush()


def _renew_tokens(service: Service, read_again: Callable[[], Settings]) -> None:
    """What is wrong with the settings leaves the service with the tokens it has."""
    try:
        service.renew_tokens(read_again())
    except (SettingsError, ValueError) as error:
        log.error("tokens not renewed", reason=str(error))  # noqa: TRY400  the reason is all there is to say
    else:
        log.info("tokens renewed")


def _warn_of_planner(planner: PlannerSettings) -> None:
    """What was set and has no effect, and what is missing for it to have one."""
    if planner.missing_key:
        log.warning("planner without a key", variable=planner.missing_key, instead="conventions")
    for name in planner.idle_servers:
        log.warning(
            "provider's address not used",
            variable=f"{name.upper()}_BASE_URL",
            missing=f"{name.upper()}_API_KEY, or LARS_DEFAULT_PROVIDER={name} where the server needs no key",
            instead=planner.chosen,
        )


def _hide_memory() -> None:
    """Keep other processes of this user, the workers among them, from reading the environment of this one.

    It holds the provider's keys; see prctl(2), PR_SET_DUMPABLE, and proc(5). Root can read it all the same.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _banner(service: Service, settings: Settings) -> str:
    workers = settings.sandbox.worker_count()
    planner = settings.planner.chosen + ("" if settings.planner.learn else " learn=off")
    return f"metaservice: {service.url} planner={planner} data={service.data_path} workers={workers}"


if __name__ == "__main__":
    sys.exit(main())
