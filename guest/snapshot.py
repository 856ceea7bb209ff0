"""The end of the build: the heap is left as a fresh guest wants to find it, and then the snapshot is taken.

Every guest begins as a copy of the snapshot, whose pages all guests share until one writes to them. A page
that is written to costs its guest 4 KiB and a page fault. Python writes wherever it looks: without this a
guest that has served a GET and a POST has some 640 pages as its own; with it, some 270.

1. Rehearsed (guest/rehearsal.py): requests have been served before. Bytecode is specialised, caches are full.
2. The heap has no holes. The C library's allocator prefers the hole that fits best, wherever it is; if there
   is none, what is allocated one after the other lies side by side.
3. The objects of the snapshot are immortal (PEP 683): nobody counts references to them. Nothing in Python can
   make them so; they are listed here, and the build writes it to the snapshot (wasm_runtime/immortal.py).
4. The garbage collector passes them over (gc.freeze), instead of writing to each at every full collection.
"""

from __future__ import annotations

import gc
from array import array
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: How the list begins; see wasm_runtime/immortal.py.
_MARK = b"IMMORTAL OBJECTS"
_LARGEST_HOLE = 1024 * 1024
#: What is so large is made at the heap's end.
_BEYOND_HOLES = 4 * _LARGEST_HOLE

#: What lies in the holes, and the list of objects: for as long as there are guests.
_kept: list[Any] = []


def prepare(rehearse: Callable[[], None]) -> None:
    """To be called last, when all is imported."""
    rehearse()
    gc.collect()  # and with it what freed objects CPython keeps for the next ones of their kind
    _fill_holes()
    _kept.append(_listed(_living()))
    gc.collect()
    gc.freeze()


def _living() -> dict[int, int]:
    """The addresses of all objects that there are, and of their types.

    Some of them will be gone when the snapshot is taken, such as this dict: whoever uses the list can tell.
    """
    found: dict[int, int] = {}
    found[id(found)] = 0
    fresh: list[Any] = gc.get_objects()
    while fresh:
        for thing in fresh:
            found[id(thing)] = id(type(thing))
        nexts = [*gc.get_referents(*fresh), *(part for thing in fresh for part in _parts(thing))]
        fresh = list({id(thing): thing for thing in nexts if id(thing) not in found}.values())
    return found


def _parts(thing: Any) -> Iterable[Any]:
    """What code refers to: it is nothing that the collector knows of."""
    if not isinstance(thing, CodeType):
        return ()
    names = (*thing.co_varnames, *thing.co_cellvars, *thing.co_freevars, thing.co_name, thing.co_qualname)
    return (
        *names,
        thing.co_consts,
        thing.co_names,
        thing.co_filename,
        thing.co_linetable,
        thing.co_exceptiontable,
    )


def _listed(objects: dict[int, int]) -> array[int]:
    """The mark, the list's own address and its length in pairs; then the pairs."""
    words = array("I", _MARK)
    place = len(words)
    words.extend([0, len(objects), *(word for pair in objects.items() for word in pair)])
    words[place] = words.buffer_info()[0]
    return words


def _fill_holes() -> None:
    end = id(bytes(_BEYOND_HOLES))
    size = _LARGEST_HOLE
    while size > 0:
        while id(block := bytes(size)) < end:
            _kept.append(block)
        size = size * 3 // 4 if size > 64 else size - 8
