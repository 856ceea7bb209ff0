"""The dialect of an ejected project: its programs as functions, and what of its table they go with."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any

from server.eject.handlers import GIVEN, body_of_program
from server.eject.modules import imports
from server.planning.dialects.frame.table import RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.eject.handlers import Body
    from server.planning.dialects.frame.table import Dialect

_PACKAGE = """\
\"\"\"Requests in the words of {tool}: how they are read, and what answers them.\"\"\"

from __future__ import annotations

from app.dialect.handlers import HANDLERS
from app.dialect.{module} import DIALECT
from app.runtime.speaking import Speaker

SPEAKER = Speaker(DIALECT, HANDLERS)
"""
_ABOUT = '"""What answers requests, by their kinds. `ctx["asked"]` is what a request asks for."""'


def module_of(dialect: Dialect) -> str:
    """The module of its table, by its last name."""
    return dialect.name.replace("-", "_")


def package(dialect: Dialect) -> str:
    """`app/dialect/__init__.py`."""
    return _PACKAGE.format(tool=dialect.tool, module=module_of(dialect))


def handlers(dialect: Dialect) -> str:
    """`app/dialect/handlers.py`. Raises NotWritable."""
    bodies = {kind: body_of_program(code) for kind, code in dialect.code.items()}
    names = {kind: f"answer_{kind.replace('-', '_')}" for kind in bodies}
    table = ", ".join(f"{kind!r}: {name}" for kind, name in names.items())
    head = [_ABOUT, "from __future__ import annotations", imports(list(bodies.values()), routes=False)]
    functions = [_function(names[kind], kind, body) for kind, body in bodies.items()]
    return "\n\n".join([*head, *functions, f"HANDLERS = {{{table}}}"]) + "\n"


def _function(name: str, kind: str, body: Body) -> str:
    parameters = ", ".join(f"{each}: {GIVEN[each]}" for each in body.parameters)
    head = f'def {name}({parameters}) -> Json:\n    """{kind.replace("-", " ").capitalize()}."""\n'
    return head + indent(body.text, "    ")


def samples(dialect: Dialect, collections: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The dialect's example requests to each collection; `collections` have a record each."""
    return [
        {
            "method": sample.method,
            "path": sample.path.replace("{resource}", name),
            **(
                {}
                if sample.body is None
                else {
                    "headers": {"Content-Type": dialect.media_type},
                    "body": _filled(sample.body, name, record),
                }
            ),
        }
        for name, record in collections.items()
        for sample in dialect.samples
    ]


def _filled(value: Any, name: str, record: dict[str, Any]) -> Any:
    if value == RECORD:
        return record
    if isinstance(value, dict):
        whole = record if value.get("**") == RECORD else {}
        return {**whole, **{key: _filled(each, name, record) for key, each in value.items() if key != "**"}}
    if isinstance(value, list):
        return [_filled(each, name, record) for each in value]
    return value.replace("{resource}", name) if isinstance(value, str) else value
