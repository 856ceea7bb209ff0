"""Link (RFC 8288) and X-Total-Count of lists: what the reply itself says of its page, never a guess.

1. A list in an envelope ends with `"page":{"limit":2,"offset":4,"total":9}}`. These are the numbers of the
   store or of the plan, and are read from the body's end: in JSON that begins with `{"items":[`, that
   text at the end cannot be anything else than the last member of the outermost object.
2. Links are given where the client asked for pages in words that are known, `limit` and `offset` or `page`
   with or without a size (`per_page`, `page_size`, `limit`), and the reply did what they say.
3. Headers that the plan gave itself stay.
4. Conventions' bare arrays (`/search`) say the total in X-Total-Count; their page is the one of the query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.values.model import RequestContext

_START = b'{"items":['
_END = re.compile(rb',"page":\{"limit":(null|\d{1,16}),"offset":(\d{1,16}),"total":(\d{1,16})\}\}$')
_END_BYTES = 96
#: The keys that say how long a page is.
_SIZES = ("limit", "per_page", "page_size")
#: A page's length where the query gives its number alone, as the guest's `page_of` has it.
_PAGE_SIZE = "20"
_DIGITS = re.compile(r"[0-9]{1,16}")
#: What may stand in a path as it was sent; `<` and `>` would end the link.
_PATH = "/%:@!$&'()*+,;=~"
#: Stands for the number that turns the page while the query is encoded; no path and no query may hold it.
_NUMBER, _NUMBER_ENCODED = "\0", "%00"
#: Characters of a Link header: HTTP clients take some 8,000 of all headers together.
_LONGEST = 4_000


@frozen
class Page:
    """`limit` None: all records from `offset` on."""

    limit: int | None
    offset: int
    total: int


def page_of(body: bytes) -> Page | None:
    """What an envelope says of its page; None where the body is no envelope."""
    if not body.startswith(_START):
        return None
    found = _END.search(body[-_END_BYTES:])
    if found is None:
        return None
    limit, offset, total = found.groups()
    return Page(None if limit == b"null" else int(limit), int(offset), int(total))


def page_asked(query: Mapping[str, str | list[str]], total: str) -> Page | None:
    """The page of a bare array, by the words of the query."""
    size = next((query[key] for key in _SIZES if key in query), _PAGE_SIZE if "page" in query else None)
    numbers = (size, query.get("offset", "0"), query.get("page", "1"), total)
    if not all(isinstance(each, str) and _DIGITS.fullmatch(each) for each in numbers):
        return None
    limit, offset, number, count = (int(str(each)) for each in numbers)
    return Page(limit, offset if "page" not in query else (number - 1) * limit, count)


def link(ctx: RequestContext, page: Page) -> str | None:
    """The Link header's value: next, prev, first, last. None where there is nothing to turn to."""
    if not page.limit:
        return None
    targets = _targets(page.limit, page.offset, page.total)
    links = [f'<{url}>; rel="{relation}"' for relation, url in _urls(ctx, page, targets)]
    value = ", ".join(links)
    return value if links and len(value) <= _LONGEST else None


def _targets(limit: int, offset: int, total: int) -> dict[str, int]:
    """Where each page begins; `last` is the one that a client gets to by following `next`."""
    begins = offset % limit if offset < total else 0
    last = begins + max(total - 1 - begins, 0) // limit * limit
    targets = {"first": 0, "last": last}
    if offset + limit < total:
        targets["next"] = offset + limit
    if offset > 0:
        targets["prev"] = min(max(offset - limit, 0), last)
    return targets


def _urls(ctx: RequestContext, page: Page, targets: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Each relation with its address, in the client's own words; none where these are not known."""
    changed = _words(ctx.query, page)
    if changed is None:
        return
    key, unit = changed
    session = {"session": ctx.session.id} if ctx.linked else {}
    query = urlencode({**session, **ctx.query, key: _NUMBER}, doseq=True)
    before, _, after = f"{ctx.base_url}{quote(ctx.path, safe=_PATH)}?{query}".partition(_NUMBER_ENCODED)
    for relation in ("next", "prev", "first", "last"):
        if relation in targets:
            number = targets[relation] // unit + 1 if key == "page" else targets[relation]
            yield relation, f"{before}{number}{after}"


def _words(query: Mapping[str, str | list[str]], page: Page) -> tuple[str, int] | None:
    """The key that turns the page, and how many records one step of it is."""
    size = next((query[key] for key in _SIZES if key in query), None)
    if not {"page", *_SIZES[1:]} & query.keys():
        as_asked = size == str(page.limit) and query.get("offset", "0") == str(page.offset)
        return ("offset", 1) if as_asked else None
    step = page.limit or 1
    # Without a size the page has the one that the plan gives it.
    as_asked = size in (None, str(page.limit)) and query.get("page", "1") == str(page.offset // step + 1)
    return ("page", step) if as_asked and not page.offset % step else None
