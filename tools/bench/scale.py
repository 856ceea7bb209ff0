"""How much is measured. The full size ends in ten minutes on two cores, the quick one in two."""

from __future__ import annotations

from attrs import frozen


@frozen
class Scale:
    #: Rounds in which each contestant has one turn, and how many for each point of a curve.
    rounds: int
    curve_rounds: int
    #: Seconds of one turn. wrk knows whole ones alone.
    seconds: float
    #: Requests before the first round that are not counted. An index is there by the 30th search.
    warm_up: int
    #: Workloads of the section in which all contestants meet.
    workloads: tuple[str, ...]
    connections: tuple[int, ...]
    #: Members of the collections that are compared for growth.
    records: tuple[int, ...]
    #: Members that are read in turn, so that none is remembered when it is asked for again.
    unrepeated: int
    #: How many "many sessions" are, each with `session_size` members. 200 fit into one worker's live guests.
    sessions: tuple[int, ...]
    session_size: int
    #: Workloads that are spread over them.
    spread: tuple[str, ...]
    #: Sessions whose memory is looked at.
    memory_sessions: int
    #: Fresh runs of each sandbox, starts of each service, and requests whose stages are looked at.
    runs: int
    starts: int
    staged: int
    #: Whether to do what takes a minute once: build the guest anew, let a rival compile itself.
    cold: bool


FULL = Scale(
    rounds=4,
    curve_rounds=3,
    seconds=1,
    warm_up=300,
    workloads=("get", "list", "search", "post", "patch", "mixed"),
    connections=(1, 16, 64),
    records=(100, 10_000, 100_000),
    unrepeated=2_000,
    sessions=(200, 1_000),
    session_size=20,
    spread=("get", "post", "patch"),
    memory_sessions=200,
    runs=40,
    starts=5,
    staged=300,
    cold=True,
)
QUICK = Scale(
    rounds=1,
    curve_rounds=1,
    seconds=1,
    warm_up=100,
    workloads=("get", "list", "search", "post", "patch"),
    connections=(1, 64),
    records=(100, 10_000),
    unrepeated=2_000,
    sessions=(200,),
    session_size=5,
    spread=("get", "post"),
    memory_sessions=50,
    runs=10,
    starts=1,
    staged=50,
    cold=False,
)
#: For the harness's own test: everything once, nothing long.
TINY = Scale(
    rounds=2,
    curve_rounds=1,
    seconds=0.1,
    warm_up=5,
    workloads=("post",),
    connections=(1, 2),
    records=(10, 50),
    unrepeated=20,
    sessions=(4,),
    session_size=2,
    spread=("post",),
    memory_sessions=3,
    runs=2,
    starts=1,
    staged=5,
    cold=False,
)
