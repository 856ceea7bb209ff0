"""`metaservice explain` and `metaservice doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.cli.channel import Ask
from server.cli.options import add, add_request, request_of

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output

_UNITS = {
    "bytes": "bytes",
    "ms": "milliseconds",
    "fuel": "about one a wasm instruction",
    "reply_depth": "levels",
}


def register(commands: Commands) -> None:
    explainer = add(
        commands,
        "explain",
        explain,
        "say what would run for a request, and why",
        more="Nothing is run and nothing is learned.",
    )
    add_request(explainer)
    explainer.add_argument(
        "--ask", action="store_true", help="where the model would be asked, ask it: a call that is paid for"
    )
    examiner = add(commands, "doctor", doctor, "look at what the service stands on", start=True)
    examiner.add_argument("--reach", action="store_true", help="also try to connect to the provider")


async def explain(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    """Exit status 1 where nobody has a plan."""
    found = await channel.call(Ask("POST", ("explain",), body={**request_of(options), "ask": options.ask}))
    plan, error = found["plan"], found["error"]
    if out.as_json:
        out.json(found)
        return int(error is not None)
    facts = {"request": f"{options.method.upper()} {options.path}", "plan source": found["source"]}
    out.facts({**facts, "view": found["view"]} if found.get("view") else facts)
    for sentence in found["why"]:
        out.line(f"- {sentence}")
    if error is not None:
        out.line(f"The answer is {error['status']} {error['type']}: {error['detail']}", "yellow")
    if found["refused"] is not None:
        _show_refused(found["refused"], out)
    if plan is not None:
        out.gap()
        out.facts({"plan": plan["id"], "route": plan["route"], "collection": plan["resource"]})
        out.gap()
        out.code(plan["code"])
    return int(error is not None)


def _show_refused(refused: dict[str, Any], out: Output) -> None:
    """What the model wrote, and below it what is wrong with that."""
    out.gap()
    if refused["code"]:
        out.code(refused["code"])
        out.gap()
    out.violations(refused["code"], refused["violations"])
    for reason in refused["reasons"]:
        out.line(f"- {reason}")


async def doctor(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    """Exit status 1 where something has failed."""
    found = await channel.call(Ask("GET", ("doctor",), {"reach": "true"} if options.reach else {}))
    if out.as_json:
        out.json(found)
    else:
        rows = [(each["name"], each["verdict"], each["detail"]) for each in found["findings"]]
        out.table(("WHAT", "VERDICT", "DETAIL"), rows, empty="")
        out.gap()
        out.table(("LIMIT", "VALUE", "UNIT"), [_limit(*each) for each in found["limits"].items()], empty="")
    return int(not found["ok"])


def _limit(name: str, value: object) -> tuple[str, object, str]:
    """A limit's name ends with its unit, but for those that are counted in what they are called."""
    what, _, unit = name.rpartition("_")
    if what and unit in _UNITS:
        return what.replace("_", " "), value, _UNITS[unit]
    return name.replace("_", " "), value, _UNITS.get(name, "")
