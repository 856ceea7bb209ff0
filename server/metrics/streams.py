"""What is counted of event streams."""

from __future__ import annotations

from attrs import define


@define
class StreamCounts:
    """`open` now; since the start those `opened`, `refused`, closed because they did not read (`slow`)."""

    open: int = 0
    opened: int = 0
    refused: int = 0
    slow: int = 0
    events: int = 0
