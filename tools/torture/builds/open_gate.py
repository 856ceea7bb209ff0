"""A worker without the gate: answers leave as soon as they are there, whatever becomes of what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasm_runtime import gate, worker

if TYPE_CHECKING:
    from wasm_runtime.gate import Report


class OpenGate(gate.Gate):
    def stage(self, session: str, changes: str, report: Report | None = None) -> None:
        super().stage(session, changes, report)
        self._lines[session].waiting[-1].report = None
        if report is not None:
            self._release(report, False)  # noqa: FBT003  the gate's

    def tell(self, session: str, report: Report) -> None:  # noqa: ARG002  the gate's
        self._release(report, False)  # noqa: FBT003  the gate's


if __name__ == "__main__":
    setattr(worker, "Gate", OpenGate)  # noqa: B010  mypy knows no other way
    worker.main()
