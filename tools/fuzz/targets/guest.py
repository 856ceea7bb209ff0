"""An accepted program, traced in the real guest, touches no name, attribute or audit event off the lists."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from server.settings.reading import load
from tools.fuzz.mutants import mutant
from tools.fuzz.targets import policy
from tools.fuzz.traced_guest import TracedGuest, miss_of
from tools.processes import guest_environment
from wasm_runtime import artifact
from wasm_runtime.engine import Runtime
from wasm_runtime.limits import Limits

#: A fiftieth of the default: a mutant that does anything has done it by then.
LIMITS = Limits(fuel=400_000_000, wall_ms=20_000)
INPUTS = st.randoms(use_true_random=False).map(mutant)


def hold(text: str) -> None:
    code = policy.accepted(text)
    if code is not None:
        missed = miss_of(_guest().run(code))
        assert not missed, f"the oracle, in the guest: {missed}"


@cache
def _guest() -> TracedGuest:
    built = artifact.ensure(load(guest_environment()).store.cache_path, lambda _what, _seconds: None)
    runtime = Runtime.load(built.path, LIMITS)
    runtime.start_clock()
    return TracedGuest(runtime, Path(tempfile.mkdtemp(prefix="fuzz-guest-")))
