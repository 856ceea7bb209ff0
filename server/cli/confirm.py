"""Asking a person, where there is one."""

from __future__ import annotations

import sys

from server.cli.channel import Refusal


def confirmed(question: str, *, default: bool = False) -> bool:
    """Raises Refusal where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if default:
            return False
        raise Refusal({"detail": f"{question} There is nobody to ask: give --yes."})
    sys.stderr.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    return answer in {"y", "yes"} or (default and not answer)
