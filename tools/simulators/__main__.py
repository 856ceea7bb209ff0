"""For demos: ``python -m tools.simulators WIRE --plans plans.json [--port P] [--latency-ms 400]``.

WIRE is openai or anthropic; plans.json is what `plans.by_match` takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Final

from tools.simulators import AnthropicSimulator, OpenAISimulator, Simulator, by_match

_SIMULATORS: Final[dict[str, type[Simulator]]] = {"openai": OpenAISimulator, "anthropic": AnthropicSimulator}


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted, also where a shell has started it in the background and ignores that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    plans = json.loads(options.plans.read_text("utf-8"))
    script = by_match(plans, options.latency_ms / 1_000, say=_say)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_SIMULATORS[options.wire](script, port=options.port)))


def _say(line: str) -> None:
    print(line, flush=True)


async def _serve(simulator: Simulator) -> None:
    async with simulator:
        _say(f"ready at {simulator.base_url}")
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.simulators", description="A provider of plans.")
    parser.add_argument("wire", choices=sorted(_SIMULATORS))
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--plans", type=Path, required=True, help='[{"match": {...}, "plan": {...}}, ...]')
    parser.add_argument("--latency-ms", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
