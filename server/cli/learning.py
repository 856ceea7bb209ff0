"""`metaservice learning` and `metaservice usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.cli.channel import Ask
from server.cli.options import add

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output

_COUNTS = ("calls", "input_tokens", "output_tokens")


def register(commands: Commands) -> None:
    turner = add(
        commands,
        "learning",
        learning,
        "say whether new routes are planned, or turn that on or off",
        more="What is turned counts at once, until the service ends: at a start `planner.learn` counts.",
    )
    turner.add_argument("to", choices=("on", "off"), nargs="?", help="(default: only say)")
    counter = add(
        commands,
        "usage",
        usage,
        "show what models were asked, and what that cost",
        more="By day (UTC), model and session; the cost is reckoned at the prices of its day "
        "(planner.openai.input_price and its kin).",
    )
    counter.add_argument(
        "--by", default="day,model,session", metavar="NAMES", help="sum by these (default: %(default)s)"
    )
    counter.add_argument("--since", default="", metavar="DAY", help="from this day on, such as 2026-01-31")
    counter.add_argument("--session", default="", metavar="ID", help="only what this session has asked for")


async def learning(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if options.to is None:
        found = await channel.call(Ask("GET", ("learning",)))
    else:
        found = await channel.call(Ask("PUT", ("learning",), body={"learn": options.to == "on"}))
    if found["learn"]:
        text = f"New routes are planned by {found['by']}."
    elif found["by"] is None:
        text = "No new route is planned: the settings choose no model."
    else:
        text = "No new route is planned: learned ones and conventions are served."
    out.done(found, text)
    return 0


async def usage(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    query = {name: text for name in ("by", "since", "session") if (text := getattr(options, name))}
    found = await channel.call(Ask("GET", ("usage",), query))
    if out.as_json:
        out.json(found)
        return 0
    columns = tuple(name.replace("_", " ").upper() for name in (*found["by"], *_COUNTS, "cost"))
    rows = [(*(row[name] for name in found["by"]), *_counts(row)) for row in found["usage"]]
    if found["total"] is not None and len(rows) > 1:
        rows.append((*(("total",) + ("",) * len(found["by"]))[: len(found["by"])], *_counts(found["total"])))
    out.table(columns, rows, empty="No model was asked.")
    return 0


def _counts(row: dict[str, Any]) -> tuple[str, ...]:
    """A cost with what it lacks: calls of a time without prices."""
    cost = "no price" if row["cost"] is None else f"{row['cost']:.6f}"
    if row["cost"] is not None and row["unpriced_calls"]:
        cost += f" and {row['unpriced_calls']} calls without a price"
    return (*(str(row[name]) for name in _COUNTS), cost)
