"""Plans of a blog's operations as a model writes them, for the document tests/data/contracts/journal.yaml."""

from __future__ import annotations

from typing import Final

#: `user`, who asks by the token that they were handed; None for nobody.
_WHO: Final = """\
claims = (ctx["identity"] or {"claims": {}})["claims"]
found = session_store["users"].search({"username": claims.get("username")}) if claims.get("username") else []
user = found[0] if found else None
"""
_MUST: Final = _WHO + 'if user is None:\n    abort(401, "no such user")\n'
_SHOWN_USER: Final = '{name: rec[name] for name in ("email", "token", "username", "bio", "image")}'
#: `profile` of the user `name`, as `user` sees it.
_PROFILE: Final = """\
others = session_store["users"].search({"username": name})
other = others[0] if others else {"username": name, "bio": None, "image": None}
follows = user is not None and session_store["follows"].exists(f"{user['username']}>{name}")
profile = {"username": other["username"], "bio": other["bio"], "image": other["image"], "following": follows}
"""
#: `shown` of the record `rec`.
_ARTICLE: Final = (
    'name = rec["author"]\n'
    + _PROFILE
    + """\
likes = session_store["likes"].search({"slug": rec["slug"]})
names = ("slug", "title", "description", "body", "tagList", "createdAt", "updatedAt")
shown = {key: rec[key] for key in names}
shown["favorited"] = user is not None and any(like["by"] == user["username"] for like in likes)
shown["favoritesCount"], shown["author"] = len(likes), profile
"""
)
_FIND: Final = """\
rec = session_store["articles"].get(params["slug"])
if rec is None:
    fail(404, "not found", "article")
"""


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


def _list(chosen: str) -> str:
    return (
        _WHO
        + 'limit = as_int(ctx["query"].get("limit"), 20)\noffset = as_int(ctx["query"].get("offset"), 0)\n'
        + chosen
        + "items = []\nfor rec in found:\n"
        + _indented(_ARTICLE)
        + "    items.append(shown)\n"
        + 'REPLY = make_response(200, envelope(ctx["list"], items, total, limit, offset))\n'
    )


_ONE: Final = 'REPLY = make_response(200, {"article": shown})\n'
_SLUG: Final = "/articles/{slug}"
#: By the operation, as the model is told of it; a slot is called `slug`, whatever the document calls it.
CODES: Final = {
    "POST /users": """\
sent = ctx["body_json"]["user"]
for name in ("email", "username"):
    if store.search({name: sent[name]}):
        fail(422, "has already been taken", name)
rec = store.insert({
    "email": sent["email"], "username": sent["username"], "secret": hash_secret(sent["password"]),
    "token": new_token(), "bio": None, "image": None,
})
REPLY = make_response(201, {"user": """
    + _SHOWN_USER
    + "})\n",
    "POST /users/login": """\
sent = ctx["body_json"]["user"]
found = store.search({"email": sent["email"]})
if not found or not verify_secret(sent["password"], found[0]["secret"]):
    fail(401, "are wrong", "credentials")
rec = store.update(found[0]["id"], {"token": new_token()})
REPLY = make_response(200, {"user": """
    + _SHOWN_USER
    + "})\n",
    "GET /user": _MUST + 'rec = user\nREPLY = make_response(200, {"user": ' + _SHOWN_USER + "})\n",
    "GET /profiles/{username}": _WHO
    + 'name = params["slug"]\nif not session_store["users"].search({"username": name}):\n'
    + '    fail(404, "not found", "profile")\n'
    + _PROFILE
    + 'REPLY = make_response(200, {"profile": profile})\n',
    "POST /profiles/{username}/follow": _MUST
    + 'name = params["slug"]\nif not session_store["users"].search({"username": name}):\n'
    + '    fail(404, "not found", "profile")\n'
    + "key = f\"{user['username']}>{name}\"\n"
    + 'session_store["follows"].upsert({"id": key, "by": user["username"], "who": name})\n'
    + _PROFILE
    + 'REPLY = make_response(200, {"profile": profile})\n',
    "GET /articles/feed": _list(
        'followed = session_store["follows"].search({"by": user["username"]}) if user else []\n'
        'who = [each["who"] for each in followed]\n'
        'found, total = session_store["articles"].list(limit=limit, offset=offset, where={"author": who})\n'
    ),
    "GET /articles": _list(
        'where = {"tagList__has": ctx["query"]["tag"]} if "tag" in ctx["query"] else {}\n'
        'found, total = session_store["articles"].list(limit=limit, offset=offset, where=where)\n'
    ),
    "POST /articles": _MUST
    + """\
sent, stamp = ctx["body_json"]["article"], now()
slug = slugify(sent["title"])
if session_store["articles"].exists(slug):
    fail(422, "has already been taken", "title")
rec = session_store["articles"].insert({
    "id": slug, "slug": slug, "title": sent["title"], "description": sent["description"],
    "body": sent["body"], "tagList": sent.get("tagList", []),
    "createdAt": stamp, "updatedAt": stamp, "author": user["username"],
})
"""
    + _ARTICLE
    + 'REPLY = make_response(201, {"article": shown})\n',
    f"GET {_SLUG}": _WHO + _FIND + _ARTICLE + _ONE,
    f"POST {_SLUG}/favorite": _MUST
    + _FIND
    + 'session_store["likes"].upsert({"id": f"{user[\'username\']}>{rec[\'slug\']}", "by": user["username"], '
    + '"slug": rec["slug"]})\n'
    + _ARTICLE
    + _ONE,
    f"DELETE {_SLUG}/favorite": _MUST
    + _FIND
    + "session_store[\"likes\"].delete(f\"{user['username']}>{rec['slug']}\")\n"
    + _ARTICLE
    + _ONE,
    "GET /tags": """\
tags = []
for rec in session_store["articles"].search():
    tags = [*tags, *[tag for tag in rec["tagList"] if tag not in tags]]
REPLY = make_response(200, {"tags": tags})
""",
}
#: What a person says where rules guess otherwise: who wrote an article, and who likes it, is in no body.
OVERRIDES: Final = "".join(
    f'[operations."{name}"]\nrole = "planned"\n' for name in ("profile", "articles", "publish", "article")
)
