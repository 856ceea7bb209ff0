"""A blog's plans, as a model writes them: wrapped bodies, slugs, tokens, an action without a body."""

from __future__ import annotations

from typing import Any, Final

from tools.simulators import plan

_ARTICLE: Final = "/api/articles/{slug:slug}"
_READER: Final = """\
scheme, _, token = ctx["headers"].get("authorization", "").partition(" ")
found = session_store["users"].search({"token": token}) if scheme == "Token" and token else []
if not found:
    abort(401, {"errors": {"token": ["is missing or wrong"]}})
reader = found[0]
"""
_FOUND: Final = """\
matching = session_store["articles"].search({"slug": params["slug"]})
if not matching:
    abort(404, {"errors": {"article": ["not found"]}})
article = matching[0]
"""
_SHOWN: Final = """\
marks = session_store["favorites"].search({"article_id": article["id"]})
shown = {name: article[name] for name in ("slug", "title", "body", "tagList", "createdAt")}
author = session_store["users"].get(article["author_id"])
shown["author"] = {"username": author["username"]}
shown["favoritesCount"] = len(marks)
"""
_USER: Final = '{"user": {"username": user["username"], "email": user["email"], "token": user["token"]}}'

_REGISTER: Final = f"""\
given = ctx["body_json"]["user"]
if store.search({{"email": given["email"]}}):
    abort(422, {{"errors": {{"email": ["has already been taken"]}}}})
user = store.insert({{"username": given["username"], "email": given["email"],
                     "password": hash_secret(given["password"]), "token": new_token()}})
REPLY = make_response(201, {_USER})
"""
_LOGIN: Final = f"""\
given = ctx["body_json"]["user"]
known = store.search({{"email": given["email"]}})
if not known or not verify_secret(given["password"], known[0]["password"]):
    abort(401, {{"errors": {{"email or password": ["is invalid"]}}}})
user = store.update(known[0]["id"], {{"token": new_token()}})
REPLY = make_response(200, {_USER})
"""
_CREATE: Final = f"""\
{_READER}given = ctx["body_json"]["article"]
article = store.insert({{"slug": slugify(given["title"]), "title": given["title"], "body": given["body"],
                        "tagList": given.get("tagList", []), "createdAt": now(), "author_id": reader["id"]}})
{_SHOWN}REPLY = make_response(201, {{"article": shown}}, {{"Location": f"/api/articles/{{article['slug']}}"}})
"""
_READ: Final = f'{_FOUND}{_SHOWN}REPLY = make_response(200, {{"article": shown}})\n'
_CHANGE: Final = f"""\
{_READER}{_FOUND}if article["author_id"] != reader["id"]:
    abort(403, {{"errors": {{"article": ["is somebody else's"]}}}})
article = store.update(article["id"], ctx["body_json"]["article"])
{_SHOWN}REPLY = make_response(200, {{"article": shown}})
"""
_REMOVE: Final = f"""\
{_READER}{_FOUND}if article["author_id"] != reader["id"]:
    abort(403, {{"errors": {{"article": ["is somebody else's"]}}}})
store.delete(article["id"])
REPLY = make_response(204, None)
"""
_FAVOR: Final = f"""\
{_READER}{_FOUND}mark = {{"article_id": article["id"], "user_id": reader["id"]}}
if not session_store["favorites"].search(mark):
    session_store["favorites"].insert(mark)
{_SHOWN}shown["favorited"] = True
REPLY = make_response(200, {{"article": shown}})
"""
_LIST: Final = """\
wanted = {"tagList__has": ctx["query"]["tag"]} if "tag" in ctx["query"] else {}
articles = []
for article in store.search(wanted, sort="-id"):
    articles.append({name: article[name] for name in ("slug", "title", "tagList")})
REPLY = make_response(200, {"articles": articles, "articlesCount": len(articles)})
"""


def _entry(method: str, asked: str, route: str, code: str, resource: str) -> dict[str, Any]:
    return {"match": {"method": method, "route": asked}, "plan": plan(route, code, resource)}


#: By the route that is asked about: a slug looks like a word there, and the plan says what it is.
PLANS: Final = [
    _entry("POST", "/api/users", "/api/users", _REGISTER, "users"),
    _entry("POST", "/api/users/login", "/api/users/login", _LOGIN, "users"),
    _entry("POST", "/api/articles", "/api/articles", _CREATE, "articles"),
    _entry("GET", "/api/articles", "/api/articles", _LIST, "articles"),
    _entry("GET", "/api/articles/how-to-brew-tea", _ARTICLE, _READ, "articles"),
    _entry("PUT", "/api/articles/how-to-brew-tea", _ARTICLE, _CHANGE, "articles"),
    _entry("POST", "/api/articles/how-to-brew-tea/favorite", f"{_ARTICLE}/favorite", _FAVOR, "articles"),
    _entry("DELETE", "/api/articles/how-to-brew-tea", _ARTICLE, _REMOVE, "articles"),
]
