"""What a model is shown of one kind of request: one frozen value, which is both rendered and hashed.

1. `PromptMaker` makes its text from a `Shown` alone, and `question` hashes all of a `Shown`. So nothing can
   be shown that is not in the key under which the answer is kept: whoever could influence an answer by a
   name shares it with nobody who has not shown that very name.
2. The *narrow* view has the route, the names of the query, the body's types, the content kind and the fields
   of the collections that the path names. The *wide* one has the session's other collections, too, and what
   its earlier plans read and write. Both are in canonical order.
3. The wide view is asked where the narrow one does not do: where the route names no collection that exists,
   or where the model said so (``needs: "collections"``).
4. Types of query texts and names of headers are in neither. HEAD runs GET's plan, and is shown as GET.
5. Values are shown to one session's question alone: its key has the session in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import evolve, field, frozen

from server.planning.kinds.effects import Effects, effects_of
from server.planning.kinds.fingerprint import collections_in, digest
from server.planning.kinds.route import split_prefix
from server.planning.kinds.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Collection

    from server.planning.kinds.fingerprint import Versions
    from server.planning.kinds.route_table import LearnedRoute
    from server.planning.kinds.shape import JsonType, RequestShape
    from server.values.model import ContentKind, Method, RequestContext

View: TypeAlias = Literal["narrow", "wide"]
#: A new kind of request; one whose plan failed on another body; a word that a slug route took.
Asked: TypeAlias = Literal["plan", "earlier", "word"]

MAX_LEARNED: Final = 64
#: A route whose template is longer is left out.
MAX_LEARNED_CHARS: Final = 200


@frozen
class LearnedLine:
    """An earlier plan: ``GET /members/{id:int}``, and what its program reads and writes."""

    route: str
    effects: Effects = field(factory=Effects)

    def as_json(self) -> dict[str, Any]:
        named = {"reads": dict(self.effects.reads), "writes": dict(self.effects.writes)}
        return {"route": self.route, **{name: found for name, found in named.items() if found}}


@frozen
class Shown:
    """All that is shown of a kind of request, besides what is the same for all of them."""

    method: Method
    route: str
    query: tuple[str, ...]
    content: ContentKind
    body: JsonType | None
    collections: Schemas = field(factory=Schemas)
    view: View = "narrow"
    learned: tuple[LearnedLine, ...] = ()
    asked: Asked = "plan"
    #: The body that the failed plan was written for, where `asked` is "earlier".
    earlier: JsonType | None = None
    #: The request's values as JSON; empty: none is shown.
    values: str = ""
    #: How many segments before the first collection are ``api`` or a version: not in the text, as it is of no
    #: use there, but what an answer may be depends on it.
    prefix: int = 0
    #: The contract's operation as JSON (`server.contracts.telling`); empty: there is none.
    contract: str = ""

    def members(self) -> dict[str, Any]:
        """The members of the prompt's block of JSON."""
        known = self.collections.as_json()
        members: dict[str, Any] = {
            "method": self.method,
            "route": self.route,
            "query": list(self.query),
            "content": self.content,
            "body": _json(self.body),
            "view": self.view,
            "collections": {**known, "...": "more"} if self.collections.more else known,
        }
        if self.view == "wide" or self.learned:
            members["learned_routes"] = [line.as_json() for line in self.learned]
        if self.contract:
            members["contract"] = json.loads(self.contract)
        if self.asked == "earlier":
            members["earlier"] = {"body": _json(self.earlier)}
        return members


def _json(body: JsonType | None) -> Any:
    return None if body is None else body.as_json()


@frozen
class Question:
    """What the model is asked, and the digest of all of it. Equal keys: the same would be answered."""

    shown: Shown
    key: str
    #: For plans that take whatever query keys come: the same without any query key.
    any_key: str
    #: The only session (a directory's name) that may ask it; empty: any.
    session: str = ""
    #: The answer is for one request alone: it was made from values.
    personal: bool = False

    def shared_as(self, *, any_query: bool) -> str:
        """The fingerprint of an answer. Under the any-key only if no query key was shown."""
        return self.any_key if any_query and not self.shown.query else self.key


def question(shown: Shown, versions: Versions, *, session: str = "", after: tuple[str, ...] = ()) -> Question:
    """`after` are the texts of an earlier answer and the complaint about it.

    `session` (a directory's name) makes a question nobody else's, as values do.
    """

    def key(each: Shown, *, any_query: bool) -> str:
        return digest(
            [
                ("shown", each.members()),
                ("asked", each.asked),
                ("values", each.values),
                ("prefix", each.prefix),
                ("any", any_query),
                ("session", session),
                ("after", after),
                ("prompt", versions.prompt),
                ("policy", versions.policy),
                ("model", versions.model),
                ("rules", versions.rules),
            ]
        )

    if shown.values and not session:
        raise ValueError("a question with values is a session's own")
    any_key = key(evolve(shown, query=()), any_query=True)
    return Question(shown, key(shown, any_query=False), any_key, session, personal=bool(shown.values))


def narrow_view(ctx: RequestContext, shape: RequestShape, schemas: Schemas) -> Shown:
    """The narrow view of a request. `schemas` may hold more collections than the path names."""
    named = schemas.only(collections_in(shape.route))
    return Shown(
        method="GET" if shape.method == "HEAD" else shape.method,
        route=shape.route,
        query=tuple(name for name, _ in shape.query),
        content=shape.content,
        body=shape.body,
        # That there are others is a matter of the wide view.
        collections=evolve(named, more=False),
        prefix=len(split_prefix(ctx.segments)[0]),
        contract="" if ctx.contract is None else ctx.contract.told,
    )


def wide_view(narrow: Shown, schemas: Schemas, learned: Collection[LearnedRoute]) -> Shown:
    """The wide view of the same request. It reads the programs of `learned`: some milliseconds, at first."""
    lines = _lines(learned, narrow.route)
    return evolve(narrow, view="wide", collections=schemas, learned=lines)


def line_of(route: LearnedRoute) -> LearnedLine:
    runnable = route.runnable
    effects = effects_of(runnable.code.text, runnable.plan.resource)
    return LearnedLine(f"{route.method} {route.template.text}", effects)


def _lines(learned: Collection[LearnedRoute], route: str) -> tuple[LearnedLine, ...]:
    """Each once, in canonical order; those that begin like the request's route come first."""
    own = _first_word(route)
    texts = {each.template.text for each in learned if len(each.template.text) <= MAX_LEARNED_CHARS}
    first = sorted(texts, key=lambda text: (_first_word(text) != own, text))[:MAX_LEARNED]
    place = {text: number for number, text in enumerate(first)}
    # Programs are read of those alone that may be shown.
    lines = {(place[each.template.text], line_of(each)) for each in learned if each.template.text in place}
    ordered = sorted(lines, key=lambda pair: (pair[0], pair[1].route, repr(pair[1].effects)))
    return tuple(line for _, line in ordered[:MAX_LEARNED])


def _first_word(route: str) -> str:
    return route.split("/")[1]
