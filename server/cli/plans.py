"""`metaservice plans`: list, show, edit, pin, forget, replay, export, import."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.channel import Ask, Refusal
from server.cli.confirm import confirmed
from server.cli.options import add, add_request, group, request_of
from server.cli.output import counted, moment, shortened

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output

_PLAN = "its id, or the first 4 or more digits of it"
#: What makes it another plan. One that serves several kinds of request is exported for each of them.
_PLAN_ITSELF = ("method", "route", "resource", "action", "identifier", "response_hints", "query", "code")
_HEADER = """\
#| {method} {route}: the code of plan {id}, for collection {resource}.
#| Names: ctx, plan, params, store, session_store, make_response, abort, and the helpers. It assigns REPLY.
#| What you save goes through the policy, and is kept as you write it, but for these lines.
"""


def register(commands: Commands) -> None:
    plans = group(commands, "plans", "see and steer what was learned")
    lister = add(plans, "list", list_plans, "list the plans in the order they came")
    lister.add_argument("--session", metavar="ID", help="only those that this session has learned")
    lister.add_argument("--limit", type=int, default=100, metavar="N", help="how many (default: %(default)s)")
    lister.add_argument("--after", type=int, default=0, metavar="N", help="where the last page said to go on")
    shower = add(plans, "show", show, "show a plan: its code, and where it is in use")
    shower.add_argument("plan", metavar="PLAN", help=_PLAN)
    editor = add(
        plans,
        "edit",
        edit,
        "correct a plan's code",
        more="It opens in $VISUAL or $EDITOR. What is saved passes the policy, or you see what is wrong.",
    )
    editor.add_argument("plan", metavar="PLAN", help=_PLAN)
    editor.add_argument("--file", type=Path, metavar="FILE", help="take the code from a file, no editor")
    editor.add_argument("--check", action="store_true", help="only say whether the policy takes it")
    editor.add_argument("--pin", action="store_true", help="pin it, too")
    pinner = add(
        plans,
        "pin",
        pin,
        "keep a plan from being replaced",
        more="Neither a repair nor another plan nor new house rules take its place, "
        "and it is never in quarantine.",
    )
    pinner.add_argument("plan", metavar="PLAN", help=_PLAN)
    pinner.add_argument("--undo", action="store_true", help="let it be replaced again")
    forgetter = add(plans, "forget", forget, "delete a plan: the next such request is planned anew")
    forgetter.add_argument("plan", metavar="PLAN", help=_PLAN)
    forgetter.add_argument("--force", action="store_true", help="even if it is pinned")
    forgetter.add_argument("--yes", action="store_true", help="do not ask")
    _register_replay(plans)
    exporter = add(plans, "export", export, "write plans to a file for another service")
    exporter.add_argument("file", type=Path, nargs="?", metavar="FILE", help="(default: standard output)")
    what = exporter.add_mutually_exclusive_group()
    what.add_argument("--session", metavar="ID", help="only those that this session has learned")
    what.add_argument("--plan", metavar="PLAN", help="only this one")
    importer = add(plans, "import", import_, "take in plans from such a file", keep_library=True)
    importer.add_argument("file", type=Path, metavar="FILE")
    importer.add_argument("--session", metavar="ID", help="have this session know them")
    importer.add_argument(
        "--pin", action="store_true", help="pin them, so that they serve whatever made them"
    )


def _register_replay(plans: Commands) -> None:
    replayer = add(
        plans,
        "replay",
        replay,
        "run a plan against a fork of a session",
        more="Nothing of the session changes. With --code or --against, a second version of the plan answers "
        "the same request in a fork of its own, and the two replies are compared.",
    )
    replayer.add_argument("plan", metavar="PLAN", help=_PLAN)
    add_request(replayer)
    other = replayer.add_mutually_exclusive_group()
    other.add_argument("--code", type=Path, metavar="FILE", help="compare with this code")
    other.add_argument("--against", metavar="PLAN", help="compare with this plan")


async def list_plans(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    query = {"limit": str(options.limit), "after": str(options.after)}
    if options.session:
        query["session"] = options.session
    found = await channel.call(Ask("GET", ("plans",), query))
    if out.as_json:
        out.json(found)
        return 0
    columns = ("PLAN", "METHOD", "ROUTE", "QUERY", "AUTHOR", "IN USE", "STATE")
    rows = [
        (
            shortened(plan["id"]) if out.rich else plan["id"],
            plan["method"],
            plan["route"],
            ", ".join(plan["query"]) if isinstance(plan["query"], list) else plan["query"],
            plan["author"],
            plan["sessions"],
            state_of(plan),
        )
        for plan in found["plans"]
    ]
    out.table(columns, rows, empty="No plans: nothing has been learned.")
    if found["next"] is not None and out.rich:
        out.line(f"There are more: --after {found['next']}", "dim")
    return 0


def state_of(plan: dict[str, Any]) -> str:
    said = [word for word in ("pinned", "stale") if plan.get(word)]
    held = plan.get("quarantined")
    if held:
        said.append("quarantined" if held is True else f"quarantined in {held}")
    return ", ".join(said)


async def show(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    plan = await channel.call(Ask("GET", ("plans", options.plan)))
    if out.as_json:
        out.json(plan)
        return 0
    print_plan(plan, out)
    if plan["learned"]:
        out.gap()
        columns = ("SESSION", "LEARNED", "FAILURES", "STATE")
        rows = [
            (use["session"], moment(use["learned_at"]), use["failures"], state_of(use))
            for use in plan["learned"]
        ]
        out.table(columns, rows, empty="")
    return 0


def print_plan(plan: dict[str, Any], out: Output) -> None:
    query = ", ".join(plan["query"]) if isinstance(plan["query"], list) else plan["query"]
    facts = {
        "plan": plan["id"],
        "for": f"{plan['method']} {plan['route']}",
        "query": query,
        "content": plan["content"],
        "collection": plan["resource"],
        "author": plan["author"],
        "made": moment(plan["created_at"]),
        "state": state_of(plan),
    }
    if plan["needs"] == "values":
        facts["needs"] = "the values of one request, which are not shown"
    out.facts(facts)
    out.gap()
    out.code(plan["source"] or plan["code"])


async def edit(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if options.file is not None:
        code = options.file.read_text("utf-8")
        try:
            return await _save(options, channel, out, code)
        except Refusal as refusal:
            _show_refused(refusal, code, out)
            raise
    plan = await channel.call(Ask("GET", ("plans", options.plan)))
    if plan["needs"] == "values":
        raise Refusal({"detail": "This plan answers one request with its own values; forget it instead."})
    code = _HEADER.format(**plan) + (plan["source"] or plan["code"] + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{plan['id']}.py"
        file.write_text(code, "utf-8")
        while True:
            _open_editor(file)
            code = file.read_text("utf-8")
            try:
                return await _save(options, channel, out, code)
            except Refusal as refusal:
                _show_refused(refusal, code, out)
                if "violations" not in refusal.problem or not confirmed("Edit again?", default=True):
                    raise


async def _save(options: argparse.Namespace, channel: Channel, out: Output, code: str) -> int:
    body = {"code": code, "pin": options.pin, "check": options.check}
    found = await channel.call(Ask("PUT", ("plans", options.plan, "code"), body=body))
    if options.check:
        text = "The policy takes this code."
    elif found["changed"]:
        text = f"Plan {found['id']} now serves {found['method']} {found['route']}."
    else:
        text = f"Plan {found['id']} says the same as before."
    out.done(found, text)
    return 0


def _show_refused(refusal: Refusal, code: str, out: Output) -> None:
    if not out.as_json:
        out.violations(code, refusal.problem.get("violations", ()))


def _open_editor(file: Path) -> None:
    """Raises Refusal where there is none, or it fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor or not sys.stdin.isatty():
        raise Refusal({"detail": "There is no editor: set EDITOR, or give the code with --file."})
    done = subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603 - the person's own editor
    if done.returncode:
        raise Refusal({"detail": f"The editor ended with status {done.returncode}; nothing was changed."})


async def pin(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("PUT", ("plans", options.plan, "pin"), body={"pinned": not options.undo}))
    out.done(found, f"Plan {found['id']} is {'pinned' if found['pinned'] else 'no longer pinned'}.")
    return 0


async def forget(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if not options.yes:
        plan = await channel.call(Ask("GET", ("plans", options.plan)))
        uses = counted(len({use["directory"] for use in plan["learned"]}), "session")
        what = f"{plan['method']} {plan['route']}, in use in {uses}"
        if not confirmed(f"Forget plan {plan['id']} ({what})?"):
            return 1
    query = {"force": "true"} if options.force else {}
    found = await channel.call(Ask("DELETE", ("plans", options.plan), query))
    routes = counted(found["routes"], "learned route")
    out.done(found, f"Plan {found['id']} is forgotten, and {routes} with it.")
    return 0


async def replay(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    """Exit status 0 where there is no difference, 1 where there is one, as diff(1) has it."""
    body = request_of(options)
    if options.code is not None:
        body["code"] = options.code.read_text("utf-8")
    if options.against:
        body["against"] = options.against
    try:
        found = await channel.call(Ask("POST", ("plans", options.plan, "replay"), body=body))
    except Refusal as refusal:
        _show_refused(refusal, body.get("code", ""), out)
        raise
    if out.as_json:
        out.json(found)
    elif "other" not in found:
        _show_reply(found["reply"], out)
    elif found["differs"]:
        out.diff(found["diff"])
    else:
        _show_reply(found["reply"], out)
        out.line(f"Plan {found['other']['plan']} replies the same.", "green")
    return int(found.get("differs", False))


def _show_reply(reply: dict[str, Any], out: Output) -> None:
    out.line(f"status {reply['status']}", "bold")
    for name, value in reply["headers"]:
        out.line(f"{name}: {value}")
    if reply["body"] is not None:
        out.line(json.dumps(reply["body"], indent=2, ensure_ascii=False))
    milliseconds = reply["micros"] / 1000
    out.line(f"records changed: {reply['records_changed']}, in the fork alone; {milliseconds:.1f} ms", "dim")


async def export(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    names = {name: value for name in ("session", "plan") if (value := getattr(options, name))}
    found = await channel.call(Ask("GET", ("plans", "export"), names))
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if options.file is None:
        sys.stdout.write(text)
        return 0
    options.file.write_text(text, "utf-8")
    count = len({json.dumps([each[name] for name in _PLAN_ITSELF]) for each in found["plans"]})
    out.done({"file": str(options.file), "plans": count}, f"{options.file} has {counted(count, 'plan')}.")
    return 0


async def import_(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    try:
        document = json.loads(options.file.read_text("utf-8"))
    except ValueError:
        raise Refusal({"detail": f"{options.file} is not JSON."}) from None
    query = {"session": options.session} if options.session else {}
    if options.pin:
        query["pin"] = "true"
    found = await channel.call(Ask("POST", ("plans", "import"), query, document))
    known = f"; session {found['session']} knows them" if found["session"] else ""
    out.done(found, f"Taken in: {counted(len(set(found['plans'])), 'plan')}{known}.")
    if found["held_back"] and not out.as_json:
        held_back = ", ".join(shortened(each) for each in found["held_back"])
        out.line(
            f"All but {held_back}: other plans are pinned for their routes (plans pin PLAN --undo).", "yellow"
        )
    elif not found["in_use"] and not out.as_json:
        out.line("No session uses them yet: import them with --session, for one to know them.", "yellow")
    return 0
