"""The policy's oracle: what accepted code touches, by its bytecode, on the host or as it runs in a guest.

The policy reads a syntax tree on the host's Python. This reads what a compiler made of the accepted text, so
the two have nothing in common but the lists, and in the guest the compiler is the one that decides.

1. Statically: every name, attribute and operation that stands in the code, run or not.
2. Traced (`Tracer`, installed inside a guest): every instruction that the plan's own frames execute
   (sys.monitoring), every callable that they call, and every audit event while the plan is on the stack.
3. The trace is of the plan's own code. What a helper of ours does is its own affair, but for audit events.
4. A miss ends the run with an exception that no plan can catch, and whose class's name says what was touched.

Standard library alone: the text of this module is also run in the guest (see `traced_guest`). Bytecode as
CPython 3.11 to 3.14 has it: https://docs.python.org/3/library/dis.html
"""

from __future__ import annotations

import dis
import re
import sys
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

#: The file name of plans' code in the guest.
PLAN_FILE = "<plan>"
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL", "DELETE_NAME"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
#: Bits of the argument below the number of the name.
_FLAG_BITS = {"LOAD_GLOBAL": 1, "LOAD_ATTR": 1 if sys.version_info >= (3, 12) else 0}
#: What no statement or expression that the policy takes is compiled to. Operations on names that are
#: not above (imports, attributes stored, super) are refused without being listed.
_FOREIGN = frozenset(
    {
        *("LOAD_BUILD_CLASS", "SETUP_ANNOTATIONS", "LOAD_LOCALS", "LOAD_SPECIAL"),
        *("BEFORE_WITH", "BEFORE_ASYNC_WITH", "WITH_EXCEPT_START", "CHECK_EG_MATCH"),
        *("GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "END_ASYNC_FOR", "SEND", "GET_YIELD_FROM_ITER"),
        *("MATCH_CLASS", "MATCH_KEYS", "MATCH_MAPPING", "MATCH_SEQUENCE"),
        *("BUILD_TEMPLATE", "BUILD_INTERPOLATION", "IMPORT_STAR", "PRINT_EXPR", "CALL_INTRINSIC_2"),
    }
)
#: StopIteration of a generator, unary plus, list to tuple; the others import, print or make types.
_INTRINSICS = frozenset({3, 5, 6})
#: Code within code. A lambda touches no more than a comprehension does: what it reads is looked at alike.
_INNER = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>"})
_CONSTANTS = (str, int, float, type(None), slice)
#: A text that opens a program is its docstring.
_DOC = "__doc__"


@dataclass(frozen=True)
class Lists:
    """What plan code may touch: names that are given, names that it may not bind, methods.

    `events` are audit events that it or a helper may raise. None does.
    """

    given: frozenset[str]
    unbindable: frozenset[str]
    methods: frozenset[str]
    events: frozenset[str] = frozenset()

    @classmethod
    def of(cls, members: dict[str, list[str]]) -> Lists:
        return cls(**{name: frozenset(words) for name, words in members.items()})


def misses(code: CodeType, lists: Lists, unreachable: frozenset[str] = frozenset()) -> list[str]:
    """What the code, with all code inside it, may touch and is on no list. Sorted.

    `unreachable`: names assigned by statements that the compiler leaves out, as of `if False:`. Code may read
    those, and fails: only the trace can tell that there is nothing behind such a name.
    """
    assigned = _assigned(code) | unreachable
    found: set[str] = set()
    for each in _all_code(code):
        found |= _outside(each, lists, assigned)
        found |= {
            miss for at in range(0, len(each.co_code), 2) if (miss := miss_at(each, at, lists, assigned))
        }
    return sorted(found)


def _all_code(code: CodeType) -> list[CodeType]:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return [code, *(each for part in inner for each in _all_code(part))]


def _assigned(code: CodeType) -> frozenset[str]:
    """The names that the code stores somewhere."""
    pairs = [_operation(each, at) for each in _all_code(code) for at in range(0, len(each.co_code), 2)]
    return frozenset(name for operation, name in pairs if operation in _STORES)


def _outside(code: CodeType, lists: Lists, assigned: frozenset[str]) -> set[str]:
    """What is wrong with a code object by itself: its local names, and its constants."""
    local = {name for name in (*code.co_varnames, *code.co_cellvars) if name != ".0"}
    found = {f"binds {name}" for name in local if _is_unbindable(name, lists)}
    found |= {f"free {name}" for name in set(code.co_freevars) - assigned if _is_unbindable(name, lists)}
    return found | {f"constant {type(each).__name__}" for each in code.co_consts if not _is_plain(each)}


def _is_plain(constant: object) -> bool:
    if isinstance(constant, CodeType):
        return constant.co_name in _INNER
    if isinstance(constant, tuple | frozenset):
        return all(map(_is_plain, constant))
    return isinstance(constant, _CONSTANTS)


def _is_unbindable(name: str, lists: Lists) -> bool:
    return name in lists.unbindable or (name.startswith("_") and name != "_")


def _operation(code: CodeType, at: int) -> tuple[str, str]:
    """The operation at an offset, and the name that it is about (its argument, where it is about none)."""
    number, argument = code.co_code[at], code.co_code[at + 1]
    operation, shift = dis.opname[number], 8
    before = at - 2
    while before >= 0 and code.co_code[before] == dis.EXTENDED_ARG:
        argument |= code.co_code[before + 1] << shift
        shift, before = shift + 8, before - 2
    if number not in dis.hasname:
        return operation, str(argument)
    index = argument >> _FLAG_BITS.get(operation, 0)
    return operation, code.co_names[index] if index < len(code.co_names) else operation


def miss_at(code: CodeType, at: int, lists: Lists, assigned: frozenset[str]) -> str:
    """What the instruction at an offset touches that is on no list; empty where there is nothing."""
    operation, name = _operation(code, at)
    if operation in _LOADS:
        return "" if name in lists.given or name in assigned else f"reads {name}"
    if operation in _STORES:
        return f"binds {name}" if _is_unbindable(name, lists) and name != _DOC else ""
    if operation in _ATTRIBUTES:
        fixed = name == "format" and _is_of_a_plain_text(code, at)
        return "" if fixed or name in lists.methods else f"attribute {name}"
    foreign = operation in _FOREIGN or code.co_code[at] in dis.hasname
    if operation == "CALL_INTRINSIC_1":
        foreign = int(name) not in _INTRINSICS
    return f"operation {operation}" if foreign else ""


def _is_of_a_plain_text(code: CodeType, at: int) -> bool:
    """Whether the attribute at an offset is of a constant text whose fields read nothing but arguments."""
    before = at - 2
    while before >= 0 and code.co_code[before] == dis.EXTENDED_ARG:
        before -= 2
    operation, index = _operation(code, before) if before >= 0 else ("", "0")
    text = code.co_consts[int(index)] if operation == "LOAD_CONST" else None
    if not isinstance(text, str):
        return False
    fields = text.replace("{{", "").replace("}}", "").split("{")[1:]
    names = [re.split("[!:}]", field)[0] for field in fields]
    return all("}" in field for field in fields) and not any(set(name) & set("._[]") for name in names)


def _monitoring() -> Any:
    """sys.monitoring, which is there from 3.12 on, as in the guest."""
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]


class Tracer:
    """Watches plans' code from inside a guest. Once installed it cannot be taken out: no audit hook can."""

    def __init__(self, lists: Lists, ours: CodeType) -> None:
        """`ours`: the one plan that is not watched, because it reads what was seen."""
        self._lists = lists
        self._ours = ours
        self._assigned: frozenset[str] = frozenset()
        self._tool = _monitoring().PROFILER_ID
        self._traced: set[CodeType] = set()
        self._missed = ""
        self._looking = False
        self.seen: dict[str, int] = {}

    def install(self) -> None:
        monitoring, events = _monitoring(), _monitoring().events
        monitoring.use_tool_id(self._tool, "oracle")
        monitoring.register_callback(self._tool, events.INSTRUCTION, self._instruction)
        monitoring.register_callback(self._tool, events.CALL, self._call)
        sys.addaudithook(self._audit)

    def take(self) -> dict[str, int]:
        """How much was looked at since the last time, by kind."""
        seen, self.seen = self.seen, {}
        return seen

    def _count(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def _hold(self, miss: str) -> None:
        self._missed = self._missed or miss
        if self._missed:
            raise type(f"OracleMiss: {self._missed}", (BaseException,), {})

    # The callbacks. What they do themselves is not the plan's doing.

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec" and getattr(arguments[0], "co_filename", "") == PLAN_FILE:
            self._start(arguments[0])
            return
        if self._traced and not self._looking:
            self._looking = True  # looking at a frame is an event itself
            try:
                own, below = self._who(sys._getframe(1))  # noqa: SLF001  where the event comes from
            finally:
                self._looking = False
            if below:
                self._count("events")
                whose = "" if own else " of a helper"
                self._hold("" if event in self._lists.events else f"event {event}{whose}")

    def _who(self, frame: FrameType | None) -> tuple[bool, bool]:
        """Whether a frame is the plan's own, and whether the plan is on the stack below it."""
        own = frame is not None and frame.f_code in self._traced
        while frame is not None and frame.f_code not in self._traced:
            frame = frame.f_back
        return own, frame is not None

    def _start(self, code: CodeType) -> None:
        """A plan is about to run: this code, and no frame of it is there yet."""
        self._missed, self._traced = "", set()
        if code == self._ours:
            return
        self._traced = set(_all_code(code))
        self._assigned = _assigned(code)
        events = _monitoring().events
        for each in self._traced:
            _monitoring().set_local_events(self._tool, each, events.INSTRUCTION | events.CALL)
        _monitoring().restart_events()
        # Names that are read may be of statements that the compiler left out: they are looked at when read.
        self._hold(", ".join(miss for miss in misses(code, self._lists) if not miss.startswith("reads ")))

    def _instruction(self, code: CodeType, at: int) -> object:
        miss = miss_at(code, at, self._lists, self._assigned)
        if miss.startswith("reads ") and not self._exists(miss.removeprefix("reads ")):
            miss = ""
        self._hold(miss)
        self._count("instructions")
        return _monitoring().DISABLE

    def _exists(self, name: str) -> bool:
        """Whether there is anything behind a name in the plan's frame, two above this one."""
        self._looking = True
        try:
            frame = sys._getframe(2)  # noqa: SLF001
        finally:
            self._looking = False
        return name in frame.f_globals or name in frame.f_builtins

    def _call(self, code: CodeType, _at: int, called: object, _first: object) -> None:
        if code not in self._traced:
            return
        self._looking = True
        try:
            ours = self._is_callable_of_ours(called)
        finally:
            self._looking = False
        self._hold("" if ours else f"calls {_title(called)}")
        self._count("calls")

    def _is_callable_of_ours(self, called: object) -> bool:
        """Whether it may be called, or cannot be: calling a number is a TypeError, and nothing more."""
        if not callable(called):
            return True
        if isinstance(called, type):
            return called.__module__ == "builtins" and called.__name__ in self._lists.given
        name = getattr(called, "__name__", "")
        if getattr(called, "__code__", None) in self._traced:
            return name in _INNER
        home = getattr(called, "__module__", None) or "builtins"
        if home.partition(".")[0] not in {"builtins", "guest", "store"}:
            return False
        return name in self._lists.given or name in self._lists.methods


def _title(called: object) -> str:
    return f"{getattr(called, '__module__', '')}.{getattr(called, '__qualname__', type(called).__name__)}"
