"""For demos: ``python -m tools.simulators WIRE --plans plans.json [--port P] [--latency-ms 400]``.

WIRE is openai or anthropic; plans.json is what `plans.by_match` takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from pathlib import Path

from tools.simulators import AnthropicSimulator, OpenAISimulator, by_match

_SIMULATORS = {"openai": OpenAISimulator, "anthropic": AnthropicSimulator}


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    options = _parser().parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            serve(options.wire, options.plans, port=options.port, latency_seconds=options.latency_ms / 1_000)
        )


async def serve(wire: str, plans_file: Path, *, port: int, latency_seconds: float) -> None:
    """Serve until cancelled; prints its address once it does."""
    plans = json.loads(plans_file.read_text("utf-8"))
    async with _SIMULATORS[wire](by_match(plans, latency_seconds), port=port) as simulator:
        print(f"{wire} at {simulator.base_url}, {len(plans)} plans", flush=True)
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
