"""The service inside this process where a plan is whatever program is asked for, within small limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.planning.policy import check
from server.values.model import SourceCode, ValidatedCode
from tools.in_process import GivenPlans, program

if TYPE_CHECKING:
    from server.values.model import RequestContext, RunnablePlan
    from tools.torture.attacks import Attack

ATTACK = "attack"
MEMORY_BYTES = 128 * 1024 * 1024
DISK_BYTES = 4 * 1024 * 1024
#: One worker, so that victims and attackers share it, and small limits, so that they are reached.
SANDBOX: Final = {
    "workers": 1,
    "spare_guests": 1,
    "fuel": 3_000_000_000,
    "wall_ms": 1_000,
    "memory_bytes": MEMORY_BYTES,
    "session_disk_bytes": DISK_BYTES,
}


class ProgramPlanner(GivenPlans):
    """`/attack` runs `attack`, past the policy if that is switched off for it; the rest is by convention."""

    def __init__(self) -> None:
        super().__init__()
        self.attack: Attack | None = None

    def runnable(self, ctx: RequestContext) -> RunnablePlan | None:
        """Raises CodeRefused (502) where the policy is on and does its work."""
        if self.attack is None or ctx.segments[0] != ATTACK:
            return None
        text = self.attack.code
        # The one place but the policy that makes one: what stands behind the policy is what is tried.
        return program(ATTACK, check(SourceCode(text)) if self.attack.policy else ValidatedCode(text))
