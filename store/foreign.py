"""Words of other tools' queries that might as well be fields, and what they are here.

They are only refused where there are records to tell that there is no such field, and where the value is
one that the tool's word has. Words such as `text`, `comment` and `term` are left alone: they are fields more
often.

The words are of the pages named below, each tool's own on its queries. Looked up word by word were those of
Airtable, Backendless, Baserow, Directus, django-filter, Feathers, LoopBack, NocoDB, Parse, Payload, Strapi,
WordPress and Xano:

- Airtable: "List records". Appwrite: "Queries". ArcGIS: "Query (Feature Service/Layer)".
- Backendless: "General Object Retrieval API". Baserow: `list_database_table_rows` of its API's description.
- Contentful: "Search parameters". CouchDB: "/{db}/_all_docs", "/{db}/_design/{ddoc}/_view/{view}".
- Directus: "Query parameters" (guides/connect). Django REST framework: "Filtering", "Pagination".
- django-filter: "Filter Reference" (`_min`, `_max`, `_after`, `_before`, `_lookup`, and `o` of "Tips").
- Elasticsearch: "Search API". Eve: "Features". Feathers 5: "Querying". Firebase: "Retrieving Data" of REST.
- Hasura: "RESTified endpoints", "Filter". LoopBack 4: "Querying data", and apidocs of `filter`.
- NocoDB: "REST APIs: Overview" (with `w l o s f r`), and its data APIs. nestjsx/crud: "Requests".
- Notion: "Pagination". OData 4.01: "Part 2: URL Conventions". Parse: "Queries" of REST, RestQuery.js.
- Payload 3: "Queries", "REST API". PostgREST 14: "Operators". RQL: "Restify". SheetDB: "Read".
- Solr 9: "Common Query Parameters". spatie/laravel-query-builder 6. Spring Data REST: "Paging and Sorting".
- Strapi 5: "Parameters" of REST, "Filters". Supabase: as PostgREST. WordPress: "Posts", "Global Parameters".
- Xano: "External Paging". API Platform: "Filters", "Pagination".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from store.names import plain

if TYPE_CHECKING:
    from collections.abc import Collection

SORT = "sort=name, or sort=-name for descending"
PAGE = "page= and per_page=, or limit= and offset="
FIELDS = "fields=id,name"
RELATED = "embed=children or expand=parent"
STATS = "group_by=, sum=, avg=, min=, max= and count= of /stats"
FILTER = "name=value or name__operator=value"
WORDS = "q=words"
ACCEPT = "Accept: text/csv, or another media type"
_TOTAL = "nothing in its place: lists tell their total"
_BARE = "/search behind the collection's path, which answers a bare array"
_FRESH = "nothing in its place: a reply is as fresh as the records are"
_LOOKS = "nothing in its place: what is sent has no blanks in it"
_LANGUAGE = "a filter on a field that the records have: there are no versions of them by language"
_STATE = "a filter on a field that the records have: there are no drafts of them"
_TIMES = "nothing in its place: times are kept as they were sent"
_GONE = "nothing in its place: what was deleted is gone"
_TOKEN = "nothing in its place: tokens are sent as Authorization: Bearer"  # noqa: S105  words
_METHOD = "the method itself"
_RANGE = "name__gte=value, and name__lte=value"
_ORDERED = "nothing in its place: lists are in an order"
_NAMES = "nothing in its place: fields are called by their names"
_ALL_OF_IT = "nothing in its place: a record is shown with all that it has"
_NOW = "nothing in its place: what is read is what was written last"
_EITHER = "or=(a=1,b__gt=2)"

#: What values may be: anything, a number, yes or no, names of fields, a format.
_ANY = ""
_NUMBER = r"-?[0-9]{1,15}"
_YES = r"|true|false|yes|no|on|off|0|1"
_NAMED = "names"
_FORMAT = (
    r"jsonp?|pjson|jsonl|ndjson|geojson|csv|tsv|xml|ya?ml|html|xlsx?|pdf|api|atom|rss|admin|export|pretty"
)

_Rows = tuple[tuple[str, str, str], ...]
#: Words, as `plain` leaves them; what is right; what values they have.
_TABLE: _Rows = (
    ("maxrecords maxresults itemsperpage resultsperpage resultrecordcount resultoffset", PAGE, _ANY),
    ("pageindex pagenum currentpage limittofirst limittolast startcursor nextcursor nolimit", PAGE, _ANY),
    ("nexttoken pagetoken continuationtoken pageinfo skiptoken deltatoken", PAGE, _ANY),
    ("endingbefore startingafter", PAGE, _ANY),
    ("curpage linkspagesize relationspagesize", PAGE, _ANY),
    ("external paging", PAGE, r"\{.*"),
    ("scroll", PAGE, r"[0-9]{1,9}[smhd]"),
    ("l", PAGE, _NUMBER),
    ("o", "sort=-name, or offset=", _ANY),
    ("rows p pg ps", PAGE, _NUMBER),
    ("all paginate pagination", PAGE, rf"{_YES}|{_NUMBER}|keyset|offset|cursor"),
    (
        "orderbydesc orderdir orderdirection sortdirection ordertype orderbyfields sortkey sortfield",
        SORT,
        _ANY,
    ),
    ("columnorderby sortarrjson", SORT, _ANY),
    ("shuffle r", _ORDERED, "0|1|true|false"),
    ("sinceid minid lastid", "id__gt=1", _ANY),
    ("maxid", "id__lte=9", _ANY),
    ("equalto startkey endkey startafter endbefore inclusiveend", _RANGE, _ANY),
    ("startat endat", _RANGE, rf"{_NUMBER}|\".*"),
    ("since until updatedsince modifiedsince", _RANGE, r"[0-9].*"),
    (
        "createdafter createdbefore updatedafter updatedbefore modifiedafter modifiedbefore",
        _RANGE,
        r"[0-9].*",
    ),
    ("startkeydocid endkeydocid createdatmin createdatmax updatedatmin updatedatmax", _RANGE, _ANY),
    ("totalcount withtotal includetotal includecount counttotal total", _TOTAL, _YES),
    ("tracktotalhits withcounts", _TOTAL, _ANY),
    ("partial", _TOTAL, "true|false|0|1"),
    ("meta", _TOTAL, r"\*|filter_count|total_count"),
    ("withcount prefetch preload sideload includeall backlink embedded hydrate", RELATED, _ANY),
    ("prefetchrelated selectrelated linkstoentry linkstoasset recordmetadata", RELATED, _ANY),
    ("loadrelations relationsdepth associations includem2m", RELATED, _ANY),
    ("deep", RELATED, r"\{.*"),
    ("depth", RELATED, r"[0-9]{1,2}"),
    ("joins", RELATED, "true|false"),
    (
        "eager load fetch related relation inline including extend extends ref rel lookup graph",
        RELATED,
        _NAMED,
    ),
    ("returnfields outfields fl sourceincludes sourceexcludes excludekeys excludefields cols", FIELDS, _ANY),
    ("filterproperties projection returnfieldsbyfieldid omit shallow view append appends", FIELDS, _ANY),
    (
        "source return returning properties props keys except pick",
        FIELDS,
        _NAMED,
    ),
    ("excludeprops propertieswithhistory", FIELDS, _ANY),
    ("property", FIELDS, _NAMED),
    ("formats", FIELDS, "(?:html|plaintext|mobiledoc|lexical)(?:,.*)?"),
    ("viewid", "filters and a sort of its own: there are no views", _ANY),
    ("gethiddencolumn", _ALL_OF_IT, _YES),
    ("conflicts attachments revsinfo localseq attencodinginfo", _ALL_OF_IT, "true|false"),
    ("userfieldnames", _NAMES, _YES),
    ("castnumbers", "nothing in its place: values are kept as they were sent", _ANY),
    ("singleobject", "the record's own path", _YES),
    ("exclude", "fields= with those that are wanted, or id__ne=1,2", _ANY),
    ("context", FIELDS, "view|edit|embed"),
    ("format output out wt f alt accept export", ACCEPT, _FORMAT),
    ("cellformat", ACCEPT, "json|string|csv"),
    ("download", ACCEPT, _ANY),
    ("cellformat", ACCEPT, "string|json"),
    ("jsonp", "nothing in its place: pages of other origins are let in by cors.origins", _ANY),
    ("s", WORDS, _ANY),
    ("searchfields searchcolumns searchmode", "q=words, which looks into all fields", _ANY),
    ("analyzer analyzewildcard deftype", WORDS, _ANY),
    ("fulltext searchterm searchquery searchtext searchstring fq qf phrase", WORDS, _ANY),
    ("queries filterbyformula criteria rsql fiql jql cql filterarrjson", FILTER, _ANY),
    ("w", FILTER, r"\(.*"),
    ("key", FILTER, r"[\"\[{].*"),
    ("avars hint", FILTER, r"\{.*"),
    ("filtertype taxrelation", _EITHER, "or|and"),
    ("not", "name__ne=value", r"[({].*"),
    ("distincton facet.field facet.query", STATS, _ANY),
    ("facet", STATS, "true|false|on|off"),
    ("reduce grouplevel", STATS, rf"{_YES}|{_NUMBER}"),
    ("locale userlocale fallbacklocale", _LANGUAGE, _ANY),
    ("lang", _LANGUAGE, r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?|all|\*"),
    ("publishedstatus", _STATE, _ANY),
    ("status", _STATE, "draft|published|publish|any|modified"),
    ("version", _STATE, "main|draft|published"),
    ("haspublishedversion", _STATE, _ANY),
    ("draft", _STATE, "true|false"),
    ("trash", _GONE, "true|false"),
    ("trashed withtrashed onlytrashed withdeleted includedeleted", _GONE, _ANY),
    ("readpreference includereadpreference subqueryreadpreference", _NOW, _ANY),
    ("update", _FRESH, "lazy|true|false"),
    ("explain", "the command: metaservice explain", "true|false|1|0"),
    ("timezone tz usertimezone", _TIMES, _ANY),
    ("cache", _FRESH, rf"{_YES}|{_NUMBER}|none|no-cache|no-store|reload"),
    (
        "nocache cachebust cachebuster cb stale updateseq timestamp ts t rand",
        _FRESH,
        rf"{_YES}|{_NUMBER}|ok|0\.[0-9]{1, 20}",
    ),
    ("pretty print prettyprint human indent", _LOOKS, rf"{_YES}|{_NUMBER}|pretty|silent"),
    ("includedocs", "nothing in its place: lists have the whole records", _ANY),
    ("envelope unwrap wrap", _BARE, _YES),
    ("suppressresponsecodes", "nothing in its place: a status says how it went", _ANY),
    ("apikey accesstoken authtoken auth jwt bearer", _TOKEN, _ANY),
    ("timeout", "nothing in its place: sandbox.timeout_seconds bounds a request", r"[0-9]{1,9}(?:ms|s|min)?"),
    ("writesizelimit", "nothing in its place: server.request_bytes bounds a body", _ANY),
    ("contenttype", "the collection's own path", r"[A-Za-z0-9_]+"),
    ("dryrun", "the header Prefer: tx=rollback", _ANY),
    ("method", _METHOD, "GET|PUT|PATCH|POST|DELETE"),
    ("httpmethod", _METHOD, _ANY),
    ("defaultoperator filterpath", WORDS, _ANY),
)
_MEANT = {
    word: (right, re.compile(values, re.IGNORECASE | re.DOTALL), values)
    for words, right, values in _TABLE
    for word in words.split()
}
#: Words that a field's name may stand behind, as in `filter.title` and `where_title`.
_ROOTS = re.compile(r"(?:filters?|where|search|query|fields)[._-](.+)", re.DOTALL)
#: What a filter's name ends with elsewhere, behind the field's and an underscore.
_ENDS = {
    "min": "gte", "max": "lte", "from": "gte", "to": "lte", "since": "gte", "until": "lte", "after": "gt",
    "before": "lt", "not": "ne", "in": "in", "not_in": "ne", "notin": "ne", "starts_with": "startswith",
    "ends_with": "endswith", "not_contains": "ne", "greater_than": "gt", "less_than": "lt", "at_least": "gte",
    "at_most": "lte", "is_null": "isnull", "not_eq": "ne", "cont": "contains", "matches": "like",
}  # fmt: skip
#: django-filter's LookupChoiceFilter: `title_lookup=icontains` beside `title=a`.
_LOOKUP = "_lookup"
#: RQL's calls, which are keys without a value: `eq(title,a)`, `sort(+title)`.
_CALL = re.compile(r"([a-z]{2,16})\(.*\)", re.IGNORECASE | re.DOTALL)
_CALLS = {"sort": SORT, "orderby": SORT, "limit": PAGE, "page": PAGE, "select": FIELDS, "count": _TOTAL}
_BEGINS = {"min": "gte", "max": "lte", "not": "ne", "from": "gte", "to": "lte"}
#: `views<>1`, `title~=a`, `title@=a`.
_SIGNED = re.compile(r"([^<>!~@^|=]{1,64})(<>|[~@^|]{1,2}=?)(.*)", re.DOTALL)
_SIGNS = {"<>": "ne", "^": "startswith", "@": "contains", "~": "ilike"}
#: A range in a value: `[1 TO 5]`, `1..5`, `between:1,5`.
_BETWEEN = re.compile(
    r"[\[{(]?\s?(-?[0-9.]{1,20}|\*)\s?(?:TO|to|\.\.\.?)\s?(-?[0-9.]{1,20}|\*)\s?[\]})]?"
    r"|(?:between|btw|range)[:.(|,]{1,3}(-?[0-9.]{1,20})[,;| ]{1,3}(-?[0-9.]{1,20})\)?"
)


def right_word(key: str, value: Any, known: Collection[str]) -> str:
    """What is right in the place of a key that no record has as a field; empty: it may be a field."""
    called = _CALL.fullmatch(key)
    if called is not None:
        return _CALLS.get(called[1].lower(), FILTER)
    if key[:1] == "@":
        return "the value itself in its place"
    found = _MEANT.get(plain(key.lstrip("_$")))
    if found is None:
        return _rooted(key, value, known)
    right, pattern, values = found
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    if key[:1] in ("_", "$"):
        return right  # no field begins so
    if values == _NAMED:
        return right if all(_names(text, known) for text in texts) else ""
    return right if values == _ANY or all(map(pattern.fullmatch, texts)) else ""


def _names(text: str, known: Collection[str]) -> bool:
    """Whether it is a list of fields, or of what they point at; or JSON."""
    plains = {plain(name) for name in known}
    words = {plain(word.strip(" '\"[]{}")) for word in text.split(",")}
    return text[:1] in ("[", "{") or all({word, f"{word}id", f"{word}ids"} & plains for word in words)


def _rooted(key: str, value: Any, known: Collection[str]) -> str:
    """`filter.title=a`, `views_min=1` and `max_views=1` of fields that there are."""
    shown = str(value[0] if isinstance(value, list) and value else value)
    found = _ROOTS.fullmatch(key)
    if found is not None and found[1] in known:
        return f"{found[1]}={shown}"[:200]
    for name in known:
        if key == f"{name}{_LOOKUP}":
            return f"{name}__{shown}=value"[:200]
        end = _ENDS.get(key[len(name) + 1 :].lower()) if key.startswith(f"{name}_") else None
        # `check_in` may be a field beside `check`.
        if end is not None and (end != "in" or "," in shown):
            return f"{name}__{end}={shown}"[:200]
    first, _, rest = key.partition("_")
    if first in _BEGINS and rest in known:
        return f"{rest}__{_BEGINS[first]}={shown}"[:200]
    signed = _SIGNED.fullmatch(key)
    if signed is not None and signed[1] in known:
        return (
            f"{signed[1]}__{_SIGNS.get(signed[2][:2], _SIGNS.get(signed[2][:1], 'ne'))}={signed[3] or shown}"[
                :200
            ]
        )
    return ""


def between(name: str, value: str) -> str:
    """What is right for a range in a value; empty where it is none."""
    found = _BETWEEN.fullmatch(value)
    if found is None:
        return ""
    low, high = [each for each in found.groups() if each is not None]
    ends = [f"{name}__gte={low}"] * (low != "*") + [f"{name}__lte={high}"] * (high != "*")
    return "&".join(ends)[:200]


#: Sort keys with their direction in another place, or by another sign; the last one is of JSON.
_WAY = r"ascending|descending|ascend|descend|asc|desc|up|down|-?1"
_BETWEEN_THEM = r"(?:\W{1,4}?|_{1,2})"
_BEFORE = re.compile(rf"({_WAY}){_BETWEEN_THEM}(.{{1,64}})", re.IGNORECASE)
_BEHIND = re.compile(rf"(.{{1,64}}?){_BETWEEN_THEM}({_WAY})(?:\W.*)?", re.IGNORECASE)
_GLUED = re.compile(r"(.{1,64})(Asc|Desc|ASC|DESC)")
_GLUED_BEFORE = re.compile(r"(asc|desc|Asc|Desc|ASC|DESC)([A-Z].{0,63})")
_MARKED = re.compile(r"([!~^<>])(.{1,64})|(.{1,64})([-+])")
_JSON = re.compile(
    r'[\[{]{1,3}"?([^"\s:,\[\]{}]{1,64})"?[,:]?\s?"?(-?1|asc|desc)?.*', re.IGNORECASE | re.DOTALL
)
#: `lower(title)`, `title:nocase`, `title collate nocase`.
_FOLDED = re.compile(r"(?:to)?(?:lower|upper|lcase|ucase|casefold)(?:case)?\((.{1,64})\)", re.IGNORECASE)
_CASELESS = re.compile(
    rf"(.{{1,64}}?){_BETWEEN_THEM}(?:collate\W)?(?:(?:to)?(?:lower|upper)(?:case)?|no_?case|ci|i|icase|ignore_?case"
    r"|(?:case_?)?insensitive)",
    re.IGNORECASE,
)
#: What may stand around a field in such a key: quotes, brackets, and signs of a direction.
_AROUND = " \"'`[](){}<>+-!"


def right_sort(term: str, known: Collection[str]) -> str:
    """A sort key as it is to be written; empty where it is about no field that there is."""
    for found, name, way in (
        (_BEFORE.fullmatch(term), 2, 1),
        (_BEHIND.fullmatch(term), 1, 2),
        (_GLUED.fullmatch(term), 1, 2),
        (_GLUED_BEFORE.fullmatch(term), 2, 1),
        (_JSON.fullmatch(term), 1, 2),
    ):
        if found is not None and (field := sortable(found[name], known)):
            return f"-{field}" if _is_down(found[way] or "") else field
    marked = _MARKED.fullmatch(term)
    meant = "" if marked is None else sortable(marked[2] or marked[3], known)
    if marked is None or not meant:
        return ""
    return f"-{meant}" if (marked[1] or marked[4]) in "!~^>-" else meant


def caseless(term: str, known: Collection[str]) -> str:
    """A sort key without regard to case as it is to be written; empty where the term is none."""
    found = _FOLDED.fullmatch(term) or _CASELESS.fullmatch(term)
    field = "" if found is None else sortable(found[1], known)
    return f"{field.removesuffix('__nocase')}__nocase" if field else ""


def sortable(text: str, known: Collection[str]) -> str:
    """The field that a text in a sort key names, in the collection's own style; empty where there is none."""
    whole = text.strip(_AROUND)
    name = whole.removesuffix("__nocase")
    first, dot, inner = name.partition(".")
    alike = first if first in known else next((each for each in known if plain(each) == plain(first)), "")
    return f"{alike}{dot}{inner}{whole[len(name) :]}" if first and alike else ""


def _is_down(word: str) -> bool:
    return word.lower().startswith(("desc", "down", "-"))
