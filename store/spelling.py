"""Query keys and sort keys that are no field: what is meant by them elsewhere is told, not passed over.

A filter on a field that no record has matches nothing. That is right where the field may come yet, and wrong
where the key is another tool's word for something that this store has a word of its own for.

1. What a collection knows as a field is a field, whatever it looks like.
2. A key with brackets, `$` or `_` in front is never taken for a field that may come yet.
3. A plain word (`order`, `skip`) is only refused where there are records to tell that it is no field.
4. So is a key that differs from a known field in style alone: `firstName` where there is `first_name`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from store.errors import InvalidQuery
from store.foreign import ACCEPT, between, caseless, right_sort, right_word, sortable
from store.foreign import FIELDS as _FIELDS
from store.foreign import PAGE as _PAGE
from store.foreign import RELATED as _RELATED
from store.foreign import SORT as _SORT
from store.foreign import STATS as _STATS
from store.names import plain
from store.schema import MAX_FIELDS, kinds_of

if TYPE_CHECKING:
    from collections.abc import Collection

#: Spelt as `plain` leaves them. These are the words that are hardly a field's name.
_FOREIGN: dict[str, str] = {
    **dict.fromkeys(("orderby", "sortby", "sortorder", "sortdir", "ordering"), _SORT),
    **dict.fromkeys(("perpage", "pagesize", "pagenumber", "pageno", "pagelimit", "pageoffset"), _PAGE),
    **dict.fromkeys(("groupby", "having"), _STATS),
    **dict.fromkeys(("not.or", "not.and"), "the opposite of each filter, as in name__ne=value"),
    "onconflict": "PUT to the record's own path, which makes or replaces it",
    "skiptotal": "nothing in its place: lists tell their total",
    "publicationstate": "nothing in its place: there are no drafts",
}
#: Words for a direction, which take a field or a yes.
_FLAGGED = ("desc", "asc", "descending", "ascending", "reverse")
_YES = frozenset({"true", "yes", "on", "1"})
#: Words that a field might have for its name.
_PLAIN: dict[str, str] = {
    **dict.fromkeys(("order", "orders", "sorting", "direction", "dir"), _SORT),
    **dict.fromkeys(_FLAGGED, _SORT),
    **dict.fromkeys(
        ("skip", "take", "top", "start", "end", "size", "first", "last", "from", "cursor"), _PAGE
    ),
    **dict.fromkeys(("after", "before", "startingafter"), _PAGE),
    **dict.fromkeys(("select", "only", "attributes", "columns"), _FIELDS),
    **dict.fromkeys(("include", "includes", "populate", "with", "join", "relations"), _RELATED),
    **dict.fromkeys(("median", "distinct", "group", "aggregate"), _STATS),
    **dict.fromkeys(("filter", "filters", "where"), "name=value or name__operator=value"),
    **dict.fromkeys(("search", "query", "keyword", "keywords"), "q=words"),
    **dict.fromkeys(("count", "inlinecount", "total"), "nothing in its place: lists tell their total"),
    "format": ACCEPT,
    "callback": "nothing in its place: pages of other origins are let in by cors.origins",
    "dependent": "a DELETE for each of what belongs to the record",
    "range": _PAGE,
    "ids": "id__in=1,2",
    "sort": _SORT,
    "page": _PAGE,
    "limit": _PAGE,
    "offset": _PAGE,
    "fields": _FIELDS,
    "embed": _RELATED,
    "expand": _RELATED,
    "q": "q=words",
}
#: Of these, words that only mean something with a sign before them (`$count`): a field may be called so.
_OURS_ELSEWHERE = frozenset({"count", "inlinecount", "total", "dependent", "format"})
#: Of these, what other tools give a number.
_COUNTED = frozenset({"skip", "take", "top", "start", "end", "size", "first", "last", "from"})
#: Operators by what they are called elsewhere; an empty one is equality.
_OPERATORS: dict[str, str] = {
    "eq": "",
    "equals": "",
    "is": "",
    "exact": "",
    "neq": "ne",
    "not": "ne",
    "noteq": "ne",
    "nin": "ne",
    "notin": "ne",
    "ge": "gte",
    "le": "lte",
    "greaterthan": "gt",
    "lessthan": "lt",
    "min": "gte",
    "max": "lte",
    "after": "gt",
    "before": "lt",
    "from": "gte",
    "to": "lte",
    "iexact": "ilike",
    "regex": "like",
    "glob": "like",
    "match": "like",
    "imatch": "ilike",
    "isdistinct": "ne",
    "beginswith": "startswith",
    "null": "isnull",
    "containsi": "icontains",
    "nei": "ne",
    "any": "in",
    "oneof": "in",
    "includes": "has",
    "cs": "has",
}
#: Those for which an operator alone will not do: `{}` is the field, `{value}` what is sought.
_SPELT: dict[str, str] = {
    **dict.fromkeys(("startswithi", "istartswith"), "{}={value}*"),
    **dict.fromkeys(("endswithi", "iendswith"), "{}=*{value}"),
    "eqi": "{}__ilike={value}",
    "notnull": "{}__isnull=false",
    **dict.fromkeys(("between", "range"), "{}__gte=1&{}__lte=9"),
    **dict.fromkeys(("notcontains", "notcontainsi"), "what it is to hold, as in {}__contains={value}"),
}
#: Groups of filters.
_GROUPS = frozenset({"or", "and", "not"})
#: `views_gt` is refused where there are `views`: these are no ends of fields' names.
_SUFFIXES = frozenset({"eq", "neq", "nin", "null", "containss", "ncontains", "startswith", "endswith"})
_BRACKETS = re.compile(r"([^\[\]]*)((?:\[[^\[\]]*\])+)(.*)", re.DOTALL)
#: PostgREST's `title=eq.a`, whatever kinds of values the field has.
_CODED = re.compile(
    r"(?:not\.)?(?:(n?eq)\.(.*)|(in)\.\((.*)\)|(is)\.(null|true|false|unknown)|(i?like)\.(.*[*%].*)"
    r"|([gl]te?)\.(-?[0-9].*)|(cs|cd|ov)\.\{(.*)\}|(?:(?:pl|ph|w)?fts)(?:\([a-z]{1,32}\))?\.(.*)"
    r"|(i?match)\.(.*[\^$*+?()|\[].*)|(isdistinct)\.(.*)|(sl|sr|nx[lr]|adj)\.([\[(].*)"
    r"|((?:n?eq|[gl]te?|i?like|i?match)\((?:any|all)\))\.(.*))",
    re.DOTALL,
)
#: Of PostgREST's operators those on ranges.
_RANGES = frozenset({"sl", "sr", "nxl", "nxr", "adj"})
#: PostgREST's `age=gte.18`, and `age=gte:18`, `age=>18`.
_WORDS_IN_VALUES = ("eq", "neq", "ne", "gt", "gte", "lt", "lte", "in", "is", "not", "like", "ilike")
_WORD_IN_VALUE = re.compile(rf"({'|'.join(_WORDS_IN_VALUES)})[.:](.*)", re.DOTALL)
_SIGN_IN_VALUE = re.compile(r"(>=|<=|<>|!=|==|=|>|<|!)(.*)", re.DOTALL)
_SIGNS = {
    ">=": "gte",
    "<=": "lte",
    "<>": "ne",
    "!=": "ne",
    "!": "ne",
    ">": "gt",
    "<": "lt",
    "==": "",
    "=": "",
}
_NO_TEXT = frozenset({"integer", "number", "boolean", "null"})
#: `views:desc`, `views desc`, `views.desc`, `views;desc`, `views|desc`, `views__desc` and `desc(views)`.
_ORDERED = re.compile(r"([^\s:;|()]+?)(?:[\s:;|]+|\.|__)(asc|desc|ascending|descending|-?1)", re.IGNORECASE)
_ORDERED_CALL = re.compile(r"(asc|desc)\(([^()]+)\)", re.IGNORECASE)
_DIRECTIONS = frozenset({"asc", "desc", "ascending", "descending"})
#: Fields that an error lists.
_MOST_LISTED = 20


def has_all(known: Collection[str]) -> bool:
    """Whether a collection knows all of its fields: what is not among them no record has."""
    return 0 < len(known) < MAX_FIELDS


def check_filter(key: str, value: Any, known: Collection[str], operators: Collection[str]) -> None:
    """Raises InvalidQuery for a key that is no filter on a field, with the right spelling."""
    if not key[:1].isalpha() or "[" in key:
        _check_marks(key, value, operators)
    if key not in known:
        _check_steps(key, value, known)
        if ("[" in key or "]" in key) and not _BRACKETS.fullmatch(key):
            raise InvalidQuery(
                f"'{key[:100]}': a bracket is without its other; write name=value or name__operator=value"
            )
        _check_word(key, value, known)
        _check_operator(key, value, known, operators)
    _check_value(key, value, known, operators)


def _check_steps(key: str, value: Any, known: Collection[str]) -> None:
    """`author/name` and `lines.*.sku`, which are ways into a field elsewhere."""
    steps = [step for step in re.split(r"[./]", key) if step != "*"]
    if ("/" in key or "*" in key.split(".")) and steps[0] in known and all(steps):
        raise InvalidQuery(f"'{key[:100]}': write {spelt('.'.join(steps), '', value)}")


def _check_marks(key: str, value: Any, operators: Collection[str]) -> None:
    found = _BRACKETS.fullmatch(key)
    if found is not None:
        parts = found[2][1:-1].split("][")
        raise _wrong(key, _without_brackets(found[1], parts, found[3], value, operators))
    if key == "_":
        raise _wrong(key, "nothing in its place: replies are not cached unless they say so")
    word = plain(key[1:])
    if key[0] in "$_" and word in _FOREIGN | _PLAIN:
        raise _wrong(key, (_FOREIGN | _PLAIN)[word])
    right = right_word(key, value, ()) if key[0] in "$_" else ""
    if right or key[0] == "$":
        raise _wrong(key, right or ("q=words" if word == "text" else "name=value or name__operator=value"))


def _without_brackets(name: str, parts: list[str], rest: str, value: Any, operators: Collection[str]) -> str:
    """What stands for `price[gte]=1`, `filter[name]=x`, `page[size]=10`, `sort[0]=a` and `tags[]=a`."""
    root = plain(name).lstrip("$_")
    what = "page" if root == "pagination" else "filter" if root in ("filters", "where") else root
    word = {"page": _PAGE, "fields": _FIELDS, "sort": _SORT}.get(what) or (_FOREIGN | _PLAIN).get(what)
    if what == "filter":
        return _filter_of(parts, value, operators)
    if root in _GROUPS:
        return _grouped(root)
    if root == "queries":
        return "name=value or name__operator=value"
    if word is not None and (
        what in ("page", "fields", "sort", "include", "populate") or name[:1] in ("$", "_")
    ):
        return word
    return _field_of(name, parts, rest, value, operators)


def _filter_of(parts: list[str], value: Any, operators: Collection[str]) -> str:
    """What stands for `filter[title][$eq]=a`, and for groups of such."""
    words = [plain(part).removeprefix("$") for part in parts]
    if words[0] in _GROUPS and parts[0].startswith("$"):
        return _grouped(words[0])
    if words[0] in ("where", "order", "limit", "offset", "skip", "include", "fields") and len(parts) <= 2:
        known = {**_FOREIGN, **_PLAIN, "where": "name=value or name__operator=value"}
        return known[words[0]]
    names = [part for part in parts if part and not part.isdigit()]
    if len(names) > 1 and (names[-1].startswith("$") or _is_operator(names[-1], operators)):
        return operated(".".join(names[:-1]), names[-1], value, operators)
    return spelt(".".join(names), "", value) if names else "name=value or name__operator=value"


def _grouped(group: str) -> str:
    if group == "not":
        return "name__ne=value"
    return f"{group}=(a=1,b__gt=2)"


def _field_of(name: str, parts: list[str], rest: str, value: Any, operators: Collection[str]) -> str:
    """What stands for `price[gte]=1`, `tags[]=a` and `address[city]=Rome`."""
    if not name:
        names = [part for part in parts if part]
        if not names or any(_is_operator(part, operators) or part[0] == "$" for part in names):
            return "name=value or name__operator=value"
        return spelt(".".join(names), "", value)
    inner = parts[0]
    if not rest and len(parts) <= 2 and (_is_operator(inner, operators) or inner.startswith("$")):
        return operated(name, inner, value, operators)
    if len(parts) == 1 and not rest and not inner:
        return spelt(name, "", value)
    if len(parts) == 1 and not rest and not inner.isdigit():
        there = ", ".join(sorted(operators))
        return f"{spelt(f'{name}.{inner}', '', value)} for a field within {name}; operators are {there}"
    return "dots for fields within fields, and two underscores before an operator: a.b__gte=1"


def is_ending(suffix: str, endings: Collection[str]) -> bool:
    """Whether what stands behind a field's name and an underscore is an operator, and no part of a name."""
    word = plain(suffix)
    return word in _SUFFIXES or word in endings


def _is_operator(word: str, operators: Collection[str]) -> bool:
    return plain(word).removeprefix("$") in {*operators, *_OPERATORS, *_SPELT}


def operated(name: str, word: str, value: Any, operators: Collection[str]) -> str:
    """A filter with another tool's operator, as it is to be written."""
    form = _SPELT.get(plain(word).removeprefix("$"))
    if form is not None:
        shown = value[0] if isinstance(value, list) and value else value
        return form.replace("{value}", str(shown)).replace("{}", name)[:200]
    operator = _operator(word, operators)
    if operator is None:
        return f"{name}__OPERATOR=value; operators are {', '.join(sorted(operators))}"[:400]
    return spelt(name, operator, value)


def _operator(word: str, operators: Collection[str]) -> str | None:
    bare = plain(word).removeprefix("$")
    return bare if bare in operators else _OPERATORS.get(bare)


def _check_word(key: str, value: Any, known: Collection[str]) -> None:
    word = "" if key == "group_by" else plain(key)  # a word of our own, see `store.asked`
    if word in _FOREIGN and not key.islower():
        raise _wrong(key, _FOREIGN[word])
    if word in _FOREIGN and ("_" in key or "-" in key or has_all(known)):
        raise _wrong(key, _FOREIGN[word])
    if not has_all(known):
        return
    if key in _PLAIN and _is_meant(key, value, known):
        raise _wrong(key, _PLAIN[key])
    right = "" if key == "group_by" else right_word(key, value, known)
    if right:
        raise _wrong(key, right)


def _is_meant(key: str, value: Any, known: Collection[str]) -> bool:
    """Whether a word that a field might have for its name has a value as the tool's word has (`size=20`)."""
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    if key in _OURS_ELSEWHERE:
        return False
    if key == "range":
        return all(text.startswith("[") for text in texts)
    if key in _COUNTED:
        return all(text.isdigit() for text in texts)
    if _PLAIN[key] is not _SORT or any(re.match(r"[+-][A-Za-z_]", text) for text in texts):
        return True
    terms = [term.strip().lstrip("+-") for text in texts for term in text.split(",")]
    names = {plain(re.split("[.:;| ]", _direction(term) or term, maxsplit=1)[0]) for term in terms}
    meant = _DIRECTIONS | {plain(name) for name in known} | (_YES if key in _FLAGGED else frozenset())
    return bool(names & meant)


def _check_operator(key: str, value: Any, known: Collection[str], operators: Collection[str]) -> None:
    name, colon, suffix = key.rpartition(":")
    if (
        colon
        and has_all(known)
        and _first(name) in known
        and (right := _operator(suffix, operators)) is not None
    ):
        raise _wrong(key, spelt(name, right, value))
    name, _, suffix = key.rpartition("__")
    if key == f"__{suffix}" and suffix in operators:
        raise _wrong(key, spelt("name", suffix, value))
    if name and suffix in operators:
        _check_inner(key, value, known, operators)
        _check_style(name, suffix, value, known)
        return
    if name and _first(name) in known:
        there = f"operators are {', '.join(sorted(operators))}"
        if _is_operator(suffix, operators):
            there = f"write {operated(name, suffix, value, operators)}"
        elif _is_object(_first(name), known):
            there = f"write {spelt(f'{name}.{suffix}', '', value)} for a field within {name[:64]}; {there}"
        raise InvalidQuery(f"filter '{key[:100]}': no operator '{suffix[:32]}'; {there}")
    _check_style(key, "", value, known)


def _check_inner(key: str, value: Any, known: Collection[str], operators: Collection[str]) -> None:
    """`author__born__gte`, and two operators: what is before the last of them is a field's name."""
    name, _, operator = key.rpartition("__")
    inner, _, word = name.rpartition("__")
    if not inner or name in known:
        return
    if _first(inner) not in known:
        if word.isascii() and word.isalpha() and word.islower():
            there = ", ".join(sorted(operators))
            raise InvalidQuery(f"filter '{key[:100]}': no operator '{word[:32]}'; operators are {there}")
        return
    if _is_operator(word, operators):
        raise _wrong(key, spelt(inner, operator, value))
    within = f"{inner}.{word}" if _is_object(_first(inner), known) else inner
    raise _wrong(key, spelt(within, operator, value))


def _is_object(name: str, known: Collection[str]) -> bool:
    return not {"object", "array"}.isdisjoint(kinds_of(known, name) or ())


def _check_style(name: str, operator: str, value: Any, known: Collection[str]) -> None:
    """`firstName` where there is `first_name` alone; and a way into what is no object."""
    first, _, inner = name.partition(".")
    if not first:
        raise InvalidQuery(f"'{name[:100]}' is no field name; dots stand between names, as in author.born")
    if first in known:
        if inner and not _leads_on(kinds_of(known, first)):
            raise InvalidQuery(f"'{name[:100]}': {first[:64]} is neither an object nor an array")
        return
    alike = next((each for each in known if plain(each) == plain(first)), None) if has_all(known) else None
    if alike is not None:
        whole = f"{alike}.{inner}" if inner else alike
        raise InvalidQuery(f"'{name[:100]}': there is no such field; write {spelt(whole, operator, value)}")
    if has_all(known):
        _check_link(name, first, inner, known)


def _check_link(name: str, first: str, inner: str, known: Collection[str]) -> None:
    """`author=1` and `author.name=Ann` where there is `author_id`."""
    link = next((each for each in known if plain(each) == f"{plain(first)}id"), None)
    if link is None:
        return
    right = f"{link}=1,2, with the ids of those that are meant" if inner else f"{link}=1"
    if inner:
        right = right.replace("=", "__in=", 1)
    raise InvalidQuery(f"'{name[:100]}': there is no such field; write {right}")


def _leads_on(kinds: Collection[str] | None) -> bool:
    """Whether there may be fields within a field of these types; of some no type is known, or only null."""
    return {"null"}.issuperset(kinds or ()) or not {"object", "array"}.isdisjoint(kinds or ())


def _check_value(key: str, value: Any, known: Collection[str], operators: Collection[str]) -> None:
    """An operator in front of the value of a field: one without texts can never equal it."""
    kinds = kinds_of(known, key)
    if not kinds or not isinstance(value, str):
        return
    coded = _CODED.fullmatch(value)
    if coded is not None:
        raise _wrong(f"{key}={value}", _decoded(key, coded, value, operators))
    if value and {"array", "object"} & {*kinds} and {"array", "object", "null"}.issuperset(kinds):
        inner = f"{spelt(f'{key}.name', '', value)} for a field within"
        raise _wrong(
            f"{key}={value}", f"{spelt(key, 'has', value)}, or {inner}" if "array" in kinds else inner
        )
    if not _NO_TEXT.issuperset(kinds):
        return
    ends = between(key, value)
    if ends:
        raise _wrong(f"{key}={value}", ends)
    sign = _SIGN_IN_VALUE.fullmatch(value)
    word = _WORD_IN_VALUE.fullmatch(value)
    if sign is not None:
        raise _wrong(f"{key}={value}", spelt(key, _SIGNS[sign[1]], sign[2]))
    if word is not None and (right := _operator(word[1], operators)) is not None:
        raise _wrong(f"{key}={value}", spelt(key, right, word[2]))


def _decoded(key: str, coded: re.Match[str], value: str, operators: Collection[str]) -> str:
    """PostgREST's filter as it is to be written, and how to seek for a text that looks like one."""
    groups = [each for each in coded.groups() if each is not None]
    if len(groups) == 1:
        return f"q={groups[0]}"[:200]
    word, sought = groups
    negated = value.startswith("not.")
    if word == "is":
        whether = "true" if (sought == "null") != negated else "false"
        return f"{key}__isnull={whether}" if sought == "null" else spelt(key, "ne" if negated else "", sought)
    if word.endswith(")"):
        joined = "or" if word.endswith("(any)") else "and"
        return f"{joined}=({key}__{word.partition('(')[0]}=a,{key}__{word.partition('(')[0]}=b)"[:200]
    if word in _RANGES:
        return f"{key}__gte=1&{key}__lte=9"
    operator = "ne" if negated and word in ("eq", "in") else _operator(word, operators) or ""
    literal = f"; for this very text {key}__in={value[:64]}" if word in ("eq", "neq") else ""
    return f"{spelt(key, operator, sought)}{literal}"


def _wrong(key: str, right: str) -> InvalidQuery:
    return InvalidQuery(f"'{key[:100]}': this is no filter here; write {right}")


def spelt(name: str, operator: str, value: Any) -> str:
    """A filter as it is to be written."""
    shown = value[0] if isinstance(value, list) and value else value
    return f"{name}{'__' if operator else ''}{operator}={shown}"[:200]


# Names of fields that must be there


def check_sort(names: list[str], known: Collection[str]) -> None:
    """`names` are sort keys as they were sent. Raises InvalidQuery for what is no field."""
    for before, term, after in zip(["", *names], names, [*names[1:], ""], strict=False):
        name = term.lstrip("+-")
        field = name.removesuffix("__nocase")
        if field not in known:
            right = _meant(term, before, after, known)
            if right:
                raise InvalidQuery(f"sort: '{term[:100]}' is no field; write sort={right[:100]}")
            check_field("sort", field, known)
            kinds = kinds_of(known, _first(field)) or ()
            if "." in field and "array" in kinds and "object" not in kinds:
                raise InvalidQuery(
                    f"sort: '{field[:100]}' is within an array, which has no one value to sort by"
                )


def _meant(term: str, before: str, after: str, known: Collection[str]) -> str:
    """The sort key for what is no field, by itself or with the term beside it; empty where there is none."""
    name = term if term.startswith("-1") else term.lstrip("+-")
    if name.lower() in _DIRECTIONS:
        field = before.lstrip("+-") or (sortable(after, known) if has_all(known) else after)
        down = f"-{field}" if name.lower().startswith("desc") else field
        return down if field else ""
    if not has_all(known):
        return _direction(name)
    folded = caseless(name, known)
    if folded:
        return f"-{folded}" if term.startswith("-") else folded
    return right_sort(name, known) or _direction(name)


def _direction(name: str) -> str:
    """The sort key for a direction in words, of a field that may be; empty where there is none."""
    call = _ORDERED_CALL.fullmatch(name)
    found = _ORDERED.fullmatch(name)
    if call is not None:
        direction, field = call.groups()
    elif found is not None:
        field, direction = found.groups()
    else:
        return ""
    return f"-{field}" if direction.lower().startswith(("desc", "-")) else field


def check_field(what: str, name: str, known: Collection[str]) -> None:
    """Raises InvalidQuery where no record has such a field; with what it may have been meant for."""
    first, _, inner = name.partition(".")
    if first in known:
        if inner and not _leads_on(kinds_of(known, first)):
            raise InvalidQuery(f"{what}: '{name[:100]}' leads nowhere, as {first[:64]} is no object")
        return
    if not first or not has_all(known):
        return
    alike = next((each for each in known if plain(each) == plain(first)), None)
    listed = [*known][:_MOST_LISTED]
    more = ", ..." if len(known) > len(listed) else ""
    hint = f"write {alike}" if alike else f"there are {', '.join(listed)}{more}"
    raise InvalidQuery(f"{what}: there is no field '{name[:100]}'; {hint}")


def _first(name: str) -> str:
    return name.partition(".")[0]
