"""All dialects by name, and which one a request bears the marks of."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from server.planning import dialects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.planning.dialects.frame.table import Dialect
    from server.values.model import RequestContext

NATIVE = "native"
AUTO = "auto"


@cache
def known() -> Mapping[str, Dialect]:
    """Every table of this package, by its name, in the order of the names."""
    modules = (
        importlib.import_module(f"{dialects.__name__}.{found.name}")
        for found in pkgutil.iter_modules(dialects.__path__)
        if not found.ispkg
    )
    tables: list[Dialect] = [module.DIALECT for module in modules]
    return {each.name: each for each in sorted(tables, key=lambda table: table.name)}


@cache
def names() -> tuple[str, ...]:
    """What a setting or a header may say."""
    return (NATIVE, AUTO, *known())


def marked(ctx: RequestContext) -> str | None:
    """The dialect that a request bears a mark of; of two the one of the lower rank, then by name."""
    return _first([each for each in known().values() if each.marks.on(ctx)])


def meant(ctx: RequestContext) -> str | None:
    """The dialect whose words a refused request seems to be in."""
    return marked(ctx) or _first([each for each in known().values() if each.marks.hinted(ctx)])


def _first(found: list[Dialect]) -> str | None:
    return min(found, key=lambda each: each.marks.rank).name if found else None
