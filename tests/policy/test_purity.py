"""Which plans' replies can be remembered, and what tells their requests apart."""

from __future__ import annotations

import pytest

from server.planning.conventions import code as conventions
from server.planning.dialects.frame.registry import known
from server.planning.policy import HELPER_NAMES, check
from server.planning.policy.purity import CHANGING
from server.values.model import Purity, SourceCode


def purity(code: str) -> Purity | None:
    return check(SourceCode(f"{code}\nREPLY = make_response(200)")).purity


@pytest.mark.parametrize(
    ("code", "members"),
    [
        ("x = 1", ()),
        ("x = params['id']", ()),
        ("x = plan['criteria']", ()),
        ("x = store.get(1)", ()),
        ("x = ctx['query'].get('n')", (("query",),)),
        ("for key in ctx['query']:\n    pass", (("query",),)),
        ("x = ctx['path'] + ctx['method']", (("method",), ("path",))),
        ("x = ctx['headers']['accept-language']", (("headers", "accept-language"),)),
        ("x = ctx['headers'].get('accept-language', 'en')", (("headers", "accept-language"),)),
        ("x = ctx['headers']['accept'].split(',')", (("headers", "accept"),)),
        ("x = ctx['client']['ip']", (("client",),)),
        ("x = bearer('Token')", (("headers", "authorization"),)),
        ("x = [ctx['asked'] for each in [1]]", (("asked",),)),
        ("x = verify_secret('a', 'b')", ()),
        ("x = add_time('2026-01-01', days=1)", ()),
        ("x = 'now' + str(params.get('print'))", ()),
    ],
)
def test_what_depends_on_nothing_else(code: str, members: tuple[tuple[str, ...], ...]) -> None:
    """What is read of ctx by constants tells requests apart, and nothing else is needed."""
    assert purity(code) == Purity(members)


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_what_is_another_thing_each_time(name: str) -> None:
    """To name it is enough: called, given a name of its own, handed on, in a branch that is never taken."""
    for code in (
        f"x = {name}()",
        f"f = {name}",
        f"x = [f() for f in [{name}]]",
        f"x = sorted([1], key={name})",
        f"if False:\n    x = {name}",
        f"x = f'{{{name}}}'",
        f"{name} = 1",
        f"try:\n    {name}()\nexcept Exception:\n    pass",
    ):
        assert purity(code) is None, code


@pytest.mark.parametrize(
    "code",
    [
        "x = ctx",
        "x = dict(ctx)",
        "x = str(ctx)",
        "x = f'{ctx}'",
        "x = list(ctx.values())",
        "x = ctx.get('headers')",
        "name = 'path'\nx = ctx[name]",
        "x = ctx['pa' + 'th']",
        "x = {**ctx}",
        "for key in ctx:\n    pass",
        "x = ctx | {}",
        "x = [ctx][0]['path']",
        "x = ctx['headers']",
        "headers = ctx['headers']\nx = headers['accept']",
        "x = ctx['headers'][params['name']]",
        "x = ctx['headers'].get(params['name'])",
        "x = ctx['headers'].get",
        "x = ctx['headers'].items()",
        "x = 'accept' in ctx['headers']",
        "x = dict(ctx['headers'])",
        "x = ctx['headers'].get(*['accept'])",
        "x = sorted([1], key=ctx['headers'].get)",
        "x = ctx['nobody-knows']",
        "x = ctx[1]",
        "x = ctx['path':]",
        "ctx['path'] = '/'",
        "ctx['headers']['accept'] = '/'",
        "ctx['query'] |= {}",
        "x = ctx == {}",
    ],
)
def test_any_other_use_of_ctx(code: str) -> None:
    """Then nobody can tell what the reply depends on."""
    assert purity(code) is None


def test_one_use_is_enough() -> None:
    """Whatever else is fine."""
    assert purity("x = ctx['path']\ny = ctx") is None
    assert purity("x = ctx['path']\ny = now()") is None


def test_every_helper_is_one_or_the_other() -> None:
    """A helper that is new has to be thought about: is what it gives the same for the same request?"""
    pure = {
        *("as_int", "as_float", "as_bool", "parse_json", "bearer", "add_time", "seconds_between", "slugify"),
        *("url_quote", "by", "re_match", "verify_secret", "money", "json_patch", "merge_patch", "page_of"),
        *("pick", "shaped", "envelope", "fail"),
    }

    assert pure | (CHANGING - {"print"}) == HELPER_NAMES
    assert not pure & CHANGING


def test_reads_of_conventions_and_dialects_are_remembered() -> None:
    """All programs that a GET can have, native or of another tool's dialect."""
    reads = {"list", "search", "get", "viewed-list", "viewed-search", "viewed-get", "count", "stats"}
    programs = [
        *(code for kind, code in (conventions.FLAT | conventions.NESTED).items() if kind in reads),
        conventions.FLAT["field"],
    ]
    for dialect in known().values():
        kinds = {place.kinds["GET"] for place in dialect.places if "GET" in place.kinds}
        programs += [dialect.code[kind] for kind in kinds if kind in dialect.code]

    assert len(programs) > 20
    assert [code for code in programs if check(SourceCode(code)).purity is None] == []
