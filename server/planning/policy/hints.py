"""What to write instead: the second half of a violation's message, by the name or node refused."""

from __future__ import annotations

_HELPERS = "there are no imports; use the given helpers"
_BRANCHES = "use if, elif and else"
_INLINE = "write its lines where they are needed"
_IS_IN = 'use `"key" in value` or `value.get("key")`'
_CATCH = "catch Exception, or a narrower class"

#: For names that code reads although nothing assigns them.
NAME_HINTS: dict[str, str] = {
    "datetime": "use now() or today()",
    "date": "use now() or today()",
    "time": "use now() or today()",
    "json": 'ctx["body_json"] is already decoded, and the body of make_response is encoded for you',
    "re": "use re_match(pattern, text)",
    "uuid": "use uuid4()",
    "secrets": "use new_token()",
    "hashlib": "use hash_secret(text) and verify_secret(text, stored)",
    "urllib": "use url_quote(text)",
    "quote": "use url_quote(text)",
    "Decimal": "use money()",
    "request": 'use ctx["body_json"], ctx["query"] or ctx["headers"]',
    "body": 'use ctx["body_json"]',
    "payload": 'use plan["payload"] or ctx["body_json"]',
    "query": 'use ctx["query"]',
    "type": "use isinstance(value, str) and the like",
    "id": 'use params["id"] or record["id"]',
    "input": 'use ctx["body_json"]',
    "bytes": "there are no bytes; use text",
    "bytearray": "there are no bytes; use text",
    "callable": "use isinstance",
    "timedelta": "times are text, and nothing is added to them; compare and slice them",
    "math": "use **, //, % and round",
    "random": "use uuid4() or new_token()",
    "defaultdict": "use a dict with setdefault",
    "Counter": "use a dict: counts[key] = counts.get(key, 0) + 1",
    "reduce": "use sum, max or a for loop",
    "NotImplementedError": "use abort(501, reason)",
    "jsonify": "use make_response(status, body)",
    "itemgetter": 'use by("field")',
}

FORBIDDEN_HINTS: dict[str, str] = {
    "getattr": _IS_IN,
    "hasattr": _IS_IN,
    "setattr": 'use value["key"] = ...',
    "delattr": 'use del value["key"]',
    "open": "use store and session_store; there are no files",
    "exit": "use abort(status, body)",
    "quit": "use abort(status, body)",
    "vars": "records are dicts already",
    "dir": "records are dicts already; use keys()",
    "BaseException": _CATCH,
    "BaseExceptionGroup": _CATCH,
    "ExceptionGroup": _CATCH,
    "GeneratorExit": _CATCH,
    "SystemExit": "use abort(status, body) to end the plan",
    "KeyboardInterrupt": _CATCH,
}

ATTRIBUTE_HINTS: dict[str, str] = {
    "format": "use an f-string; only a text in the code, with plain fields, has it",
    "format_map": "use an f-string",
    "encode": "there are no bytes; use text",
    "decode": "text is already decoded",
    "isoformat": "now() and today() are text already",
    "strftime": "now() and today() are text already",
    "hex": "uuid4() and new_token() are text already",
    "args": "use str(error)",
    "create": "use insert(record)",
    "all": "use search({})",
    "find_one": "use search(criteria, limit=1)",
    "first": "use search(criteria, limit=1)",
    "filter": "use search(criteria)",
    "remove_all": "use delete_all(criteria)",
    "execute": "use search(criteria); there is no SQL",
}

NODE_HINTS: dict[str, str] = {
    "Import": _HELPERS,
    "ImportFrom": _HELPERS,
    "FunctionDef": _INLINE,
    "AsyncFunctionDef": _INLINE,
    "ClassDef": "use a dict",
    "Return": "assign REPLY, or end the plan with abort(status, body)",
    "Lambda": "only a call of sorted, min, max, sort, map or filter may hold one: use a comprehension",
    "With": "there are no context managers; use try and finally",
    "Match": _BRANCHES,
    "TryStar": "use except without the star",
    "NamedExpr": "assign on a line of its own; only a condition may have it",
    "Global": "plan code has one scope; leave it out",
    "Nonlocal": "plan code has one scope; leave it out",
    "Yield": "build a list",
    "YieldFrom": "build a list",
    "Await": "nothing here is asynchronous; leave out await",
    "AsyncFor": "use for",
    "AsyncWith": "there are no context managers",
    "MatMult": "use a sum over zip(a, b)",
    "TemplateStr": "use an f-string",
}

#: What the statement or expression is called, where the node's own name would puzzle.
NODE_WORDS: dict[str, str] = {
    "Import": "import",
    "ImportFrom": "import",
    "FunctionDef": "def",
    "AsyncFunctionDef": "async def",
    "ClassDef": "class",
    "With": "with",
    "AsyncWith": "async with",
    "AsyncFor": "async for",
    "TryStar": "except*",
    "NamedExpr": ":=",
    "MatMult": "@",
    "YieldFrom": "yield from",
}
