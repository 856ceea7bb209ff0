"""A collection whose records are read without some of what they have: what a plan may show to nobody.

SQLite takes it out of a record's text, so nobody has to look into that. It is left out of what a plan is
given, and of nothing else: conditions, order and writes are about whole records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from store.resource_store import ResourceStore
from store.table import Table

if TYPE_CHECKING:
    from store import ids
    from store.catalogue import Entry
    from store.workspace import Workspace

#: The names that may be left out: what needs no care in a path, nor in SQL.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_MOST: Final = 64


class CutStore(ResourceStore):
    """`left_out`: names from the outside in. Raises ValueError for what cannot be left out."""

    def __init__(self, workspace: Workspace, name: str, left_out: Any) -> None:
        super().__init__(workspace, name)
        self._column = _column(left_out)
        #: The table, with what it was made of.
        self._cut: tuple[Entry | None, Any, Table | None] = (None, None, None)

    def _table(self) -> Table | None:
        entry, database = self._workspace.catalogue.get(self._name), self._workspace.database
        of, there, table = self._cut
        if of is not entry or there is not database:
            table = None if entry is None else Table(database, entry, self._column)
            self._cut = entry, database, table
        return table

    def _find(self, address: ids.Address | None) -> str | None:
        """What is to be written again is whole."""
        entry = self._entry()
        if entry is None or address is None:
            return None
        return Table.of(self._workspace.database, entry).find(address)


def _column(left_out: Any) -> str:
    if not isinstance(left_out, list) or not 1 <= len(left_out) <= _MOST:
        raise ValueError("what is left out is a list of paths")
    paths = []
    for path in left_out:
        if not isinstance(path, list) or not path:
            raise ValueError("a path is a list of names")
        for name in path:
            if not isinstance(name, str) or _NAME.fullmatch(name) is None:
                raise ValueError("a name that cannot be left out")
        paths.append("'$" + "".join(f'."{name}"' for name in path) + "'")
    return f"json_remove(doc, {', '.join(paths)})"
