"""One table per concern: what is accepted, and what is refused by which rule."""

from __future__ import annotations

import ast

import pytest

from server.planning.policy.names import ALLOWED_METHODS, FORBIDDEN_NAMES, PROTECTED_NAMES
from server.planning.policy.rules import violations_in
from tests.policy.corpus import REPLY, accepted, violations

ACCEPTED = {
    "annotated": "x: int = 1",
    "annotated-item": "x = {}\nx['a']: int = 1",
    "assert": "assert ctx, 'no context'",
    "attribute": "x = 'a'.upper()",
    "augmented": "x = 1\nx += 2",
    "binary": "x = ((1 + 2 - 3) * 4 / 5 // 6 % 7 ** 8) << 1 >> 1 & 1 | 1 ^ 1",
    "boolean": "x = ctx and plan or not params",
    "builtin-rebound": "sum = 1\nx = sum",
    "chained-assignment": "a = b = 1",
    "compare": "x = 1 < 2 <= 3 != 4 == 5 > 6 >= 7\ny = 1 in [1] or 2 not in [1] or ctx is not None",
    "conditional": "x = 1 if ctx else 2",
    "constants": "x = ['a', 1, 1.5, True, None]",
    "delete-item": "x = {'a': 1}\ndel x['a']",
    "dict": "x = {'a': 1, **ctx}",
    "docstring": '"""What it does."""',
    "except-as": "try:\n    x = 1\nexcept (KeyError, ValueError) as e:\n    x = str(e)",
    "except-bare": "try:\n    x = 1\nexcept:\n    x = 2",
    "for-else": "for i in [1]:\n    continue\nelse:\n    x = 1",
    "annotation-of-typing": "x: Optional[dict] = None\ny: List[Any] = []\nz: 'int' = 1",
    "first-or-none": "x = next((i for i in [1] if i), None)\ny = next(iter([1]), 0)",
    "format-builtin": "x = format(1.5, '.2f')",
    "format-of-a-text": "x = '{} {0!r:>5} {name:.2f} {{}}'.format(1, name=2)",
    "lambda-as-key": "x = max(sorted([1], key=lambda a: -a), key=lambda a: a)\n[].sort(key=lambda a: a)",
    "lambda-for-map": "x = list(map(lambda a, b: a + b, [1], [2]))\ny = filter(lambda a: a, [1])",
    "lambda-inside-another": "x = sorted([[1]], key=lambda a: max(a, key=lambda b: a[0] - b))",
    "walrus-in-conditions": "if (a := 1) or (b := 2):\n    pass\nx = [d for e in [1] if (d := e)]",
    "walrus-in-loops": "while (a := 1) < 1:\n    pass\nx = b if (b := 1) else 2",
    "format": "x = f'{ctx!r:>{10}} {1:.2f} {2:,}'",
    "generator": "x = sum(i for i in [1])",
    "given-aliased": "reply = make_response\nother = session_store['orders']",
    "helper-rebound": "now = 'todo'\nx = now",
    "helpers": "x = [as_int('1'), now(), slugify('a'), by('-a'), money(1)]",
    "if": "if ctx:\n    pass\nelif plan:\n    pass\nelse:\n    pass",
    "jump-inside-try": "try:\n    for i in [1]:\n        break\nfinally:\n    pass",
    "jump-inside-finally": "try:\n    pass\nfinally:\n    while True:\n        break",
    "jump-past-except": "for i in [1]:\n    try:\n        continue\n    except KeyError:\n        break",
    "keywords": "x = dict(a=1, **ctx)",
    "list-nested": "x = [[j for j in i] for i in [[1]]]",
    "outer-name-in-comprehension": "y = 1\nx = [y for _ in [1]]",
    "raise": "try:\n    x = 1\nexcept KeyError as e:\n    raise ValueError('x') from e",
    "scary-words-in-text": "x = '__class__ eval {0.__class__} import os'",
    "set": "x = {1, *[2]}\ny = {i for i in x}\nz = {i: i for i in x if i}",
    "shadowed": "id = 1\ntype = 'x'\ninput = id\nfilter = type\nformat = property = next = 1\nx = id",
    "slice": "x = [1, 2][0:1:1][::-1]",
    "starred": "a, *b = [1, 2]\nprint(*b)",
    "store": "store.get(1)\nsession_store.collection('a').search({}, sort='-a', limit=1)",
    "tuple-target": "(a, [b, c]), d['x'] = x = (1, [2, 3]), 4\nd = {}",
    "unary": "x = [-1, +1, ~1, not 1]",
    "underscore": "for _ in [1]:\n    x = _",
    "unicode-names": "größe = 1\nx = größe",
    "while": "while ctx:\n    break",
}


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=ACCEPTED)
def test_plain_python_is_accepted(code: str) -> None:
    """
    The statements and expressions that plans are made of pass.
    """
    assert violations(code + REPLY) == ()


REFUSED = {
    # Nodes
    "async-comprehension": ("x = [i async for i in ctx]", "node"),
    "async-def": ("async def f():\n    pass", "node"),
    "async-for": ("async for i in ctx:\n    pass", "node"),
    "class": ("class A:\n    pass", "node"),
    "decorator": ("@store.insert\ndef f():\n    pass", "node"),
    "def": ("def f(a, *b, c=1, **d):\n    return a", "node"),
    "ellipsis": ("x = ...", "literal"),
    "except-star": ("try:\n    pass\nexcept* KeyError:\n    pass", "node"),
    "global": ("global x", "node"),
    "import": ("import json", "node"),
    "import-from": ("from os import path", "node"),
    "lambda": ("x = lambda: 1", "node"),
    "lambda-called": ("x = (lambda a: a)(1)", "node"),
    "lambda-given-to-a-dict": ("x = dict(key=lambda a: a)", "node"),
    "lambda-in-a-list": ("x = sorted([1], key=[lambda a: a][0])", "node"),
    "lambda-of-rest": ("x = sorted([1], key=lambda *a: a)", "lambda"),
    "lambda-with-default": ("x = sorted([1], key=lambda a, b=1: a)", "lambda"),
    "lambda-second-of-map": ("x = map(str, lambda a: a)", "node"),
    "lambda-name-outside": ("x = sorted([1], key=lambda a: a)\ny = a", "name"),
    "lambda-of-nothing": ("x = sorted([1], key=lambda: 1)", "lambda"),
    "lambda-of-dunder": ("x = sorted([1], key=lambda __a: 1)", "underscore"),
    "match": ("match ctx:\n    case {'a': 1}:\n        pass", "node"),
    "matmult": ("x = ctx @ plan", "node"),
    "matmult-augmented": ("x = 1\nx @= 2", "node"),
    "return": ("return 1", "node"),
    "walrus": ("x = (y := 1)", "node"),
    "walrus-in-a-call": ("print(y := 1)", "node"),
    "walrus-in-a-body": ("if ctx:\n    (y := 1)", "node"),
    "with": ("with ctx as x:\n    pass", "node"),
    "yield": ("yield 1", "node"),
    # Literals
    "bytes": ("x = b'a'", "literal"),
    "complex": ("x = 1j", "literal"),
    # Names
    "comprehension-name-outside": ("x = [i for i in [1]]\ny = i", "name"),
    "dunder": ("x = __builtins__", "underscore"),
    "dunder-except": ("try:\n    pass\nexcept KeyError as __x:\n    pass", "underscore"),
    "dunder-keyword": ("x = dict(__class__=1)", "underscore"),
    "forbidden-except": ("try:\n    pass\nexcept KeyError as eval:\n    pass", "name"),
    "forbidden-in-comprehension": ("x = [1 for exec in [1]]", "name"),
    "fullwidth": ("x = \uff45val('1')", "name"),
    "private": ("_x = 1", "underscore"),
    "sibling-comprehension": ("x = [i for i in [1]] + [i for j in [1]]", "name"),
    "iter-as-a-value": ("x = iter", "iter"),
    "iter-of-a-function": ("x = iter(store.search, None)", "iter"),
    "iter-unpacked": ("x = iter(*[store.search, None])", "iter"),
    "undefined": ("x = nothing", "name"),
    "unshadowed-type": ("x = type(ctx)", "name"),
    # Attributes
    "attribute-augmented": ("store.x += 1", "attribute"),
    "attribute-deleted": ("del store.x", "attribute"),
    "attribute-in-target": ("for store.x in [1]:\n    pass", "attribute"),
    "attribute-of-dict": ("x = ctx.method", "attribute"),
    "method-of-the-type-dict": ("x = sorted([{}], key=dict.items)", "attribute"),
    "attribute-stored": ("store.insert = 1", "attribute"),
    "attribute-dunder": ("x = store.__class__", "attribute"),
    "exception-attribute": ("try:\n    pass\nexcept KeyError as e:\n    x = e.args", "attribute"),
    "format-method": ("x = ctx.format(1)", "attribute"),
    "format-of-a-broken-text": ("x = '{'.format(1)", "attribute"),
    "format-of-a-name": ("x = '{}'\ny = x.format(ctx)", "attribute"),
    "format-of-an-f-string": ("x = f'{1}'.format(ctx)", "attribute"),
    "format-reads-attribute": ("x = '{0.real}'.format(1)", "attribute"),
    "format-reads-dunder": ("x = '{__class__}'.format(1)", "attribute"),
    "format-reads-item": ("x = '{0[a]}'.format(ctx)", "attribute"),
    "format-reads-in-spec": ("x = '{0:{0.real}}'.format(1)", "attribute"),
    "generator-frame": ("x = (i for i in [1]).gi_frame", "attribute"),
    "mro": ("x = int.mro()", "attribute"),
    "nested-in-format-spec": ("x = f'{1:{store.x}}'", "attribute"),
    "nested-in-keyword": ("print(**store.x)", "attribute"),
    "nested-in-slice": ("x = [1][store.x:]", "attribute"),
    # Statements
    "annotation-bare": ("x: int", "annotation"),
    "annotation-dunder": ("x: store.__class__ = 1", "attribute"),
    "break-from-finally": (
        "while True:\n    try:\n        abort(400)\n    finally:\n        break",
        "finally",
    ),
    "continue-from-try": ("for i in [1]:\n    try:\n        continue\n    finally:\n        pass", "finally"),
    "break-from-loop-else": (
        """
while 1:
    try:
        pass
    finally:
        for i in []:
            pass
        else:
            break
""",
        "finally",
    ),
    "break-from-inner-try": (
        """
while 1:
    try:
        try:
            break
        except KeyError:
            pass
    finally:
        pass
""",
        "finally",
    ),
    "delete-name": ("x = 1\ndel x", "delete"),
    "delete-in-tuple": ("x = {}\ndel (x['a'], x)", "delete"),
    "finally-in-finally": (
        "try:\n    pass\nfinally:\n    try:\n        pass\n    finally:\n        pass",
        "finally",
    ),
    # f-strings
    "spec-brace": ("x = f'{1:\\x7b}'", "format"),
    "spec-quote": ('x = f"{1:\'>5}"', "format"),
    "spec-newline": ("x = f'{1:\\n}'", "format"),
}


@pytest.mark.parametrize(("code", "rule"), REFUSED.values(), ids=REFUSED)
def test_all_else_is_refused(code: str, rule: str) -> None:
    """
    What plans have no use for is refused by the rule that says so, and by no other.
    """
    assert {v.rule for v in violations(code + REPLY)} == {rule}


REBINDINGS = {
    "annotated": "NAME: int = 1",
    "assign": "NAME = 1",
    "augmented": "NAME += 1",
    "comprehension": "x = {1: 2 for NAME in [1]}",
    "except": "try:\n    pass\nexcept KeyError as NAME:\n    pass",
    "for": "for NAME in [1]:\n    pass",
    "nested": "(x, [y, *NAME]) = 1",
    "lambda": "x = sorted([1], key=lambda NAME: 1)",
    "walrus": "x = (NAME := 1)",
    "walrus-in-a-condition": "if NAME := 1:\n    pass",
    "with": "with x as NAME:\n    pass",
}


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
@pytest.mark.parametrize("code", REBINDINGS.values(), ids=REBINDINGS)
def test_what_the_service_gives_is_never_rebound(code: str, name: str) -> None:
    """
    `ctx` and its kin mean the same on every line, whatever form an assignment takes.
    """
    assert "rebind" in {v.rule for v in violations(code.replace("NAME", name) + REPLY)}


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES | {"REPLY"}))
def test_what_the_service_gives_is_never_deleted(name: str) -> None:
    """
    Deleting a given name, or the reply, is refused.
    """
    assert {v.rule for v in violations(REPLY + f"del {name}")} == {"delete"}


@pytest.mark.parametrize("name", sorted(FORBIDDEN_NAMES))
@pytest.mark.parametrize("code", ["x = NAME", "NAME = 1", "x = sorted([], key=NAME)", "del NAME"])
def test_dangerous_names_are_refused_everywhere(code: str, name: str) -> None:
    """
    A dangerous builtin is neither read, passed on, assigned nor deleted.
    """
    assert {v.rule for v in violations(code.replace("NAME", name) + REPLY)} == {"name"}


@pytest.mark.parametrize("name", sorted(ALLOWED_METHODS))
def test_listed_methods_are_accepted(name: str) -> None:
    """
    Every listed method can be called, and taken as a value.
    """
    assert violations(f"x = store.{name}({{}})\ny = store.{name}{REPLY}") == ()


REPLIES = {
    "plain": ("REPLY = None", True),
    "chained": ("x = REPLY = None", True),
    "in-if": ("if ctx:\n    REPLY = None", True),
    "in-except": ("try:\n    pass\nexcept KeyError:\n    REPLY = None", True),
    "in-loop": ("for i in [1]:\n    REPLY = None", True),
    "as-flag": ("REPLY = None\nif REPLY is None:\n    REPLY = make_response(200)", True),
    "annotated": ("REPLY: dict = None", False),
    "augmented": ("REPLY += 1", False),
    "comment": ("# REPLY = None", False),
    "comprehension": ("x = [0 for REPLY in [1]]", False),
    "empty": ("", False),
    "item": ("ctx['REPLY'] = None", False),
    "loop-target": ("for REPLY in [1]:\n    pass", False),
    "only-abort": ("abort(404)", False),
    "unpacked": ("REPLY, x = 1, 2", False),
}


@pytest.mark.parametrize(("code", "assigned"), REPLIES.values(), ids=REPLIES)
def test_reply_is_assigned_by_a_plain_statement(code: str, assigned: bool) -> None:
    """
    Code without a plain assignment to REPLY is refused, because it could not answer.
    """
    assert {v.rule for v in violations(code)} == (set() if assigned else {"reply"})


class Novel(ast.expr):
    """A node of some later Python."""


def test_unknown_nodes_are_refused() -> None:
    """
    A kind of node that the policy has never heard of is refused.
    """
    tree = ast.parse(REPLY)
    tree.body.append(ast.Expr(Novel()))

    assert [v.message for v in violations_in(tree)] == ["novel is not allowed: write it another way"]


def test_code_in_refused_nodes_is_checked_too() -> None:
    """
    A refused function's body is likely to be kept, so its faults are reported, its parameters are not.
    """
    found = violations("def f(a):\n    x = a.b\n    return eval(a)" + REPLY)

    assert [(v.line, v.rule) for v in found] == [(1, "node"), (2, "attribute"), (3, "node"), (3, "name")]


def test_parts_of_a_refused_node_are_not_reported_by_themselves() -> None:
    """
    One import is one violation, however many modules it names.
    """
    found = violations("import json, re" + REPLY)

    assert [v.message for v in found] == [
        "import is not allowed: there are no imports; use the given helpers"
    ]


def test_attributes_of_undefined_names_go_with_the_name() -> None:
    """
    `datetime.now` is one violation, whose hint is about datetime and not about keys of a dict.
    """
    found = violations("x = datetime.now" + REPLY)

    assert [v.message for v in found] == ["'datetime' is not defined: use now() or today()"]


def test_what_runs_has_no_bare_except() -> None:
    """
    A bare except would catch abort(), so it runs as `except Exception`.
    """
    assert "except Exception:" in accepted("try:\n    x = 1\nexcept:\n    x = 2" + REPLY)
