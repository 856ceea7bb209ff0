"""Providers of plans that run on this machine, speak the real wire formats, and misbehave as told.

async with OpenAISimulator([Fault.OVERLOADED, Answer(plan)]) as simulator:
    ...  # simulator.base_url, simulator.requests
"""

from __future__ import annotations

from tools.simulators.anthropic_wire import AnthropicSimulator
from tools.simulators.faults import FAULTS, Fault
from tools.simulators.openai_wire import OpenAISimulator
from tools.simulators.plans import asked, by_match, by_route, plan
from tools.simulators.script import Answer, Raw, Script, Step
from tools.simulators.server import Seen, Simulator

__all__ = [
    "FAULTS",
    "Answer",
    "AnthropicSimulator",
    "Fault",
    "OpenAISimulator",
    "Raw",
    "Script",
    "Seen",
    "Simulator",
    "Step",
    "asked",
    "by_match",
    "by_route",
    "plan",
]
