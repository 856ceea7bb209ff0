"""Programs made from the corpora's by changes, most of them of the tree, which reach further than bytes.

A mutant is text for the policy, and may be no Python at all. What is chosen comes from one `Random`, so that
a seed gives the same mutants again.
"""

from __future__ import annotations

import ast
import json
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DATA = Path(__file__).parents[2] / "tests" / "data"
#: Longer programs are about limits of length, which mutants of them would meet again and again.
_MOST_CHARACTERS = 4_000
#: Programs changed as text; the others are changed as trees.
_AS_TEXT = 0.3


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: What names are changed to, and attributes.
_WORDS = _words("""
    ctx plan params store session_store make_response abort REPLY x rec items _ _x __x__ self cls
    as_int now by print len sorted map filter type id input open eval exec getattr object super
    globals __builtins__ __import__ __name__ __class__ BaseException SystemExit KeyError Exception
    dict str
""")
_ATTRIBUTES = _words("""
    get insert search update append format format_map join items keys encode __class__ __dict__
    __globals__ gi_frame f_back tb_frame mro __subclasses__ send throw with_traceback args _session
    path fromkeys
""")
#: What is put in: some of it plans are made of, the other is refused.
_EXPRESSIONS = tuple(
    r"""
().__class__.__base__
ctx['body_json']
store.get(1)
[y for y in ctx]
{**ctx}
f'{ctx!r:>{9}}'
(lambda: store)()
sorted([], key=store.get)
map(store.insert, [])
'{0.x}'.format(store)
10**9
2**63
-1
1e999
1j
b'x'
...
'\x00'
'{'
'\ud800'
None
not x
x if ctx else y
(x := 1)
await_
ctx[::2]
x < y < 3
x @ x
{y: y for y in [1]}
(y for y in [1])
print(*ctx)
dict.items
any(all(z for z in y) for y in [[1]])
f'{f"{ctx}"}'
''.join
session_store['a']
""".strip().splitlines()
)
_STATEMENTS = tuple(
    """
import os
---
from json import loads
---
x = 1
---
ctx = 1
---
del x
---
del ctx['a']
---
x.y = 1
---
x: int = 1
---
x: int
---
pass
---
assert x, y
---
raise ValueError('x') from None
---
for x in ctx: break
---
while x: continue
---
try:
    x = 1
except:
    x = 2
finally:
    pass
---
try:
    abort(400)
except Exception as e:
    x = e
---
def f(a=store):
    return a
---
class A:
    x = 1
---
with store as x:
    pass
---
global x
---
return 1
---
match ctx:
    case {'a': y}:
        pass
---
REPLY = make_response(200, x)
---
(x, [*y]) = 1, [2]
---
x += 1
---
async def f():
    await x
---
lambda: (yield)
---
try:
    pass
except* KeyError:
    pass
---
'text'
---
abort(404)
""".strip().split("\n---\n")
)
_TOKENS = (
    *_WORDS,
    *_words("""
        = == := ( ) [ ] { } : , . .. * ** -> @ ; # ' " f' f" rb' t' {x!r} for in if else while try:
        except finally: with match case lambda def class async await yield del global import
        999999999999999999999999999999 0x1 1_0 1e9 1j
    """),
    *(
        "\\",
        "'''",
        " ",
        "\n",
        "\n    ",
        "\t",
        "\r",
        "\x0c",
        "\x00",
        "\ufeff",
        "\ud800",
        "\u200b",
        "\uff45val",
        "\xe9",
        "\u2028",
    ),
)


@cache
def programs() -> tuple[str, ...]:
    """The corpora's programs, honest and hostile."""
    files = (_DATA / f"{name}.jsonl" for name in ("benign", "hostile"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return tuple(row["code"] for row in rows if len(row["code"]) <= _MOST_CHARACTERS)


def mutant(random: Random) -> str:
    """One to four changes of a program."""
    text = random.choice(programs())
    for _ in range(random.choice((1, 1, 2, 4))):
        text = _changed_text(random, text) if random.random() < _AS_TEXT else _changed_tree(random, text)
    return text


def _changed_text(random: Random, text: str) -> str:
    return random.choice(_TEXT_CHANGES)(random, text)


def _changed_tree(random: Random, text: str) -> str:
    """The text after one change of its tree; changed as text where it has none."""
    tree = _tree(text)
    if tree is None:
        return _changed_text(random, text)
    random.choice(_TREE_CHANGES)(random, tree)
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    except (ValueError, RecursionError, TypeError):
        return text  # what cannot be written, such as a surrogate inside an f-string


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# --- places in a tree -------------------------------------------------------------------------------


def _blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    found: list[list[ast.stmt]] = []
    for node in ast.walk(tree):
        lists = (getattr(node, name, None) for name in ("body", "orelse", "finalbody"))
        found += [block for block in lists if isinstance(block, list)]
    return found


def _expressions(tree: ast.AST) -> list[tuple[ast.AST, str, int | None]]:
    """Where expressions stand: the node that holds one, its field, and its place in a list."""
    found: list[tuple[ast.AST, str, int | None]] = []
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                found.append((node, name, None))
            elif isinstance(value, list):
                found += [(node, name, at) for at, each in enumerate(value) if isinstance(each, ast.expr)]
    return found


def _replace(place: tuple[ast.AST, str, int | None], change: Callable[[ast.expr], ast.expr]) -> None:
    node, name, at = place
    if at is None:
        setattr(node, name, change(getattr(node, name)))
    else:
        values = getattr(node, name)
        values[at] = change(values[at])


def _expression(random: Random) -> ast.expr:
    """One of those above, or one out of another program."""
    if random.random() < 0.6:
        return ast.parse(random.choice(_EXPRESSIONS), mode="eval").body
    tree = _tree(random.choice(programs()))
    places = _expressions(tree) if tree else []
    if not places:
        return ast.Constant(1)
    node, name, at = random.choice(places)
    value = getattr(node, name)
    chosen: ast.expr = value if at is None else value[at]
    return chosen


def _statements(random: Random) -> list[ast.stmt]:
    tree = _tree(random.choice(programs())) if random.random() < 0.4 else None
    blocks = [block for block in _blocks(tree) if block] if tree else []
    return [random.choice(random.choice(blocks))] if blocks else ast.parse(random.choice(_STATEMENTS)).body


# --- changes of a tree ------------------------------------------------------------------------------


def _swap_expression(random: Random, tree: ast.Module) -> None:
    places = _expressions(tree)
    if places:
        new = _expression(random)
        _replace(random.choice(places), lambda _old: new)


def _wrap_expression(random: Random, tree: ast.Module) -> None:
    places = _expressions(tree)
    if places:
        _replace(random.choice(places), random.choice(_WRAPPERS))


def _rename(random: Random, tree: ast.Module) -> None:
    named = [
        n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute | ast.keyword | ast.ExceptHandler)
    ]
    if not named:
        return
    match random.choice(named):
        case ast.Name() as node:
            node.id = random.choice(_WORDS)
        case ast.Attribute() as node:
            node.attr = random.choice(_ATTRIBUTES)
        case ast.keyword() as node:
            node.arg = random.choice((None, *_WORDS))
        case ast.ExceptHandler() as node:
            node.name = random.choice((None, *_WORDS)) if node.type else None


def _insert_statement(random: Random, tree: ast.Module) -> None:
    block = random.choice(_blocks(tree))
    at = random.randint(0, len(block))
    block[at:at] = _statements(random)


def _drop_statement(random: Random, tree: ast.Module) -> None:
    block = random.choice(_blocks(tree))
    if len(block) > 1:
        block.pop(random.randrange(len(block)))


def _move_statement(random: Random, tree: ast.Module) -> None:
    blocks = [block for block in _blocks(tree) if block]
    if blocks:
        source = random.choice(blocks)
        random.choice(blocks).append(random.choice(source))


def _wrap_statements(random: Random, tree: ast.Module) -> None:
    blocks = [block for block in _blocks(tree) if block]
    if blocks:
        block = random.choice(blocks)
        outer = ast.parse(random.choice(_OUTER)).body[0]
        inner = next(
            each for each in _blocks(ast.Module([outer], [])) if each and isinstance(each[0], ast.Pass)
        )
        inner[:] = block[:]
        block[:] = [outer]


def _change_constant(random: Random, tree: ast.Module) -> None:
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    if constants:
        random.choice(constants).value = random.choice(_VALUES)


def _change_operator(random: Random, tree: ast.Module) -> None:
    operations = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp | ast.AugAssign)]
    if operations:
        random.choice(operations).op = random.choice((ast.MatMult, ast.Pow, ast.LShift, ast.Mod, ast.Mult))()


_VALUES = (
    2**63,
    2**64,
    -1,
    10**40,
    1e400,
    1j,
    b"x",
    ...,
    True,
    None,
    "",
    "{",
    "}}",
    "'\"",
    "\\",
    "\n",
    "\ud800",
    "\0",
)
_OUTER = tuple(
    """
if ctx:
    pass
---
for _ in [1]:
    pass
---
while True:
    pass
else:
    x = 1
---
def f():
    pass
---
class A:
    pass
---
with store:
    pass
---
async def f():
    pass
---
match ctx:
    case _:
        pass
---
try:
    pass
finally:
    x = 1
---
try:
    x = 1
finally:
    pass
---
try:
    pass
except KeyError as e:
    x = 1
---
try:
    x = 1
except:
    pass
""".strip().split("\n---\n")
)


def _field(value: ast.expr) -> ast.FormattedValue:
    return ast.FormattedValue(value, -1, None)


_WRAPPERS: tuple[Callable[[ast.expr], ast.expr], ...] = (
    lambda old: ast.JoinedStr([_field(old)]),
    lambda old: ast.JoinedStr([ast.FormattedValue(ast.Name("ctx"), 114, ast.JoinedStr([_field(old)]))]),
    lambda old: ast.Call(ast.Name("str"), [old], []),
    lambda old: ast.Call(old, [ast.Starred(ast.Name("ctx"))], [ast.keyword(None, ast.Name("plan"))]),
    lambda old: ast.Attribute(old, "__class__"),
    lambda old: ast.Attribute(old, "get"),
    lambda old: ast.Subscript(old, ast.Constant("a")),
    lambda old: ast.Subscript(ast.Name("ctx"), ast.Slice(old, old)),
    lambda old: ast.Lambda(ast.arguments([], [], None, [], [], None, []), old),
    lambda old: ast.ListComp(old, [ast.comprehension(ast.Name("y"), ast.Name("ctx"), [], 0)]),
    lambda old: ast.GeneratorExp(ast.Name("z"), [ast.comprehension(ast.Name("z"), old, [old], 0)]),
    lambda old: ast.DictComp(old, old, [ast.comprehension(ast.Name("y"), old, [], 1)]),
    lambda old: ast.NamedExpr(ast.Name("x"), old),
    ast.Await,
    ast.Yield,
    lambda old: ast.IfExp(old, ast.Name("store"), old),
    lambda old: ast.BoolOp(ast.And(), [old, old]),
    ast.Starred,
    lambda old: ast.Tuple([old, old]),
    lambda old: ast.Dict([None, old], [old, old]),
)  # fmt: skip
_TREE_CHANGES: tuple[Callable[[Random, ast.Module], None], ...] = (
    _swap_expression, _swap_expression, _wrap_expression, _rename, _rename,
    _insert_statement, _insert_statement, _drop_statement, _move_statement, _wrap_statements,
    _change_constant, _change_operator,
)  # fmt: skip


# --- changes of text --------------------------------------------------------------------------------


def _insert_token(random: Random, text: str) -> str:
    at = random.randint(0, len(text))
    return text[:at] + random.choice(_TOKENS) + text[at:]


def _drop_piece(random: Random, text: str) -> str:
    at = random.randint(0, len(text))
    return text[:at] + text[at + random.randint(1, 20) :]


def _repeat_piece(random: Random, text: str) -> str:
    at = random.randint(0, len(text))
    return text[:at] + text[at : at + random.randint(1, 30)] * random.choice((2, 3, 60, 400)) + text[at:]


def _flip_byte(random: Random, text: str) -> str:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data:
        data[random.randrange(len(data))] = random.randrange(256)
    return data.decode("utf-8", "surrogateescape")


def _splice(random: Random, text: str) -> str:
    other = random.choice(programs())
    return text[: random.randint(0, len(text))] + other[random.randint(0, len(other)) :]


def _shuffle_lines(random: Random, text: str) -> str:
    lines = text.split("\n")
    lines.insert(random.randint(0, len(lines)), lines.pop(random.randrange(len(lines))))
    return "\n".join(lines)


_TEXT_CHANGES: tuple[Callable[[Random, str], str], ...] = (
    _insert_token, _insert_token, _drop_piece, _repeat_piece, _flip_byte, _splice, _shuffle_lines,
)  # fmt: skip


def mutants(seed: int, number: int) -> Iterator[str]:
    """So many mutants, each of a seed of its own."""
    return (mutant(Random(f"{seed}:{each}")) for each in range(number))
