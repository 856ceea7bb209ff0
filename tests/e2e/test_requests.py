"""What real clients send: ids of any kind, one object at a path, files, sessions with long names."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.e2e.client import Answer, Client

PNG = b"\x89PNG\r\n\x1a\n\x00\xff--b"
FILE = {"name": "a.png", "type": "image/png", "size": len(PNG), "data": base64.b64encode(PNG).decode()}


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A form's body and type; a part is its disposition (and type) and its content."""
    lines = [
        b"--frontier\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), data)
        for head, data in parts
    ]
    raw = b"".join([*lines, b"--frontier--\r\n"])
    return {"raw": raw, "content_type": "multipart/form-data; boundary=frontier"}


@pytest.mark.parametrize(
    "id_",
    [
        0,
        -1,
        "urn:isbn:0451450523",
        "al@example.com",
        "foo/bar?",
        "Pro plan $699",
        "a\\b",
        "%2F",
        "\u00e9\u4e2d",
        "x" * 128,
    ],
)
def test_ids_of_any_kind(client: Client, id_: Any) -> None:
    """Reached percent-encoded, at the address that the reply gives."""
    made = client.post("/plans", {"id": id_, "n": 1})

    assert (made.status, made.json) == (201, {"id": id_, "n": 1})
    at = made.headers["location"]
    assert at == f"/plans/{quote(str(id_), safe='')}"
    assert client.read(at) == made.json
    tag = client.get(at).headers["etag"]
    assert client.request("PATCH", at, {"n": 2}, If_Match=tag).json == {"id": id_, "n": 2}
    assert client.create(f"{at}/items", {"a": 1})["plan_id"] == id_
    assert client.read(f"{at}/items/count") == {"count": 1}
    assert client.delete(at).status == 204
    assert client.get(at).status == 404


def test_no_id_yet(client: Client) -> None:
    """What typed clients send makes one, alone and in a batch."""
    nil = "00000000-0000-0000-0000-000000000000"

    assert client.create("/plans", {"id": "", "n": 1}) == {"id": 1, "n": 1}
    assert client.create("/plans", [{"id": None}, {"id": ""}]) == [{"id": 2}, {"id": 3}]
    assert client.create("/guids", {"id": nil})["id"] not in (nil, "", None)


@pytest.mark.parametrize("id_", [2**53, "search", "..", "a/../b", "x" * 129])
def test_ids_that_cannot_be(client: Client, id_: Any) -> None:
    """A problem document with the reason."""
    status, error = client.post("/plans", {"id": id_}).error

    assert status == 422
    assert error.startswith("id:")


def test_session_names(client: Client) -> None:
    """128 characters are a name; one more is none."""

    assert client.named("s" * 128).create("/m", {}) == {"id": 1}
    assert client.named("s" * 129).get("/m").error[0] == 400


def test_one_object(client: Client) -> None:
    """Made by PUT, with tags, methods and a document of its own."""
    made = client.put("/settings", {"theme": "dark"})
    read = client.get("/settings")

    assert (made.status, made.json, read.json) == (201, {"theme": "dark"}, {"theme": "dark"})
    assert client.request("GET", "/settings", If_None_Match=read.headers["etag"]).status == 304
    assert client.request("PUT", "/settings", {"a": 1}, If_Match='"other"').status == 412
    assert client.request("PUT", "/settings", {"a": 1}, If_None_Match="*").status == 412
    assert client.request("PUT", "/settings", {"a": 1}, If_Match=read.headers["etag"]).json == {"a": 1}
    allowed = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
    assert client.request("OPTIONS", "/settings").headers["allow"] == allowed
    posted = client.post("/settings", {"b": 1})
    assert (posted.status, posted.headers["allow"]) == (405, allowed)
    assert client.delete("/settings").status == 204
    assert client.get("/settings").status == 404
    assert client.request("PUT", "/settings", {"c": 1}, If_None_Match="*").status == 201


def test_a_collection_is_no_object(client: Client) -> None:
    """PUT of a collection with records says where it goes; a list is none either."""
    client.create("/members", {"a": 1})
    refused = client.put("/members", {"a": 2})

    assert (refused.status, refused.json["allow"]) == (405, ["GET", "HEAD", "POST", "OPTIONS"])
    assert "/members/{id}" in refused.json["reason"]
    assert client.put("/drafts", [{"a": 2}]).json["allow"] == ["GET", "HEAD", "POST", "PUT", "OPTIONS"]


@pytest.mark.parametrize("path", ["/login", "/auth/login", "/users/login"])
def test_logins(client: Client, path: str) -> None:
    """501, and nothing is stored."""
    answer = client.post(path, {"email": "a@b.c", "password": "x"})

    assert answer.status == 501
    assert "OPENAI_API_KEY" in answer.error[1]
    assert client.read("/users")["items"] == []


# Forms with files


def test_a_form_with_a_file(client: Client) -> None:
    """Fields are texts, a file has its name, type and size; an empty file input is nothing."""
    body = form(
        ('name="title"', b"Sun"),
        ('name="tag"', b"a"),
        ('name="tag"', b"b"),
        ('name="image"; filename="C:\\\\dir\\\\a.png"\r\nContent-Type: image/png', PNG),
        ('name="none"; filename=""\r\nContent-Type: application/octet-stream', b""),
    )
    made = client.request("POST", "/photos", **body)

    assert (made.status, made.json) == (201, {"id": 1, "title": "Sun", "tag": ["a", "b"], "image": FILE})
    assert client.read("/photos/1?fields=title") == {"title": "Sun"}


@pytest.mark.parametrize("target", ["/photos/1/image", "/photos/1?fields=image"])
@pytest.mark.parametrize("accept", ["image/png", "image/*", "image/avif,image/*,*/*;q=0.8"])
def test_a_file_by_its_type(client: Client, target: str, accept: str) -> None:
    """The bytes, as nothing that a browser would run."""
    client.create("/photos", {"image": FILE, "title": "x"})
    answer = client.request("GET", target, Accept=accept)

    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PNG, "image/png")
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''a.png"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.request("GET", target, Accept=accept, If_None_Match=answer.headers["etag"]).status == 304
    head = client.request("HEAD", target, Accept=accept)
    assert (head.headers["content-length"], head.body) == (str(len(PNG)), b"")


def test_a_file_as_json(client: Client) -> None:
    """Who takes JSON, or anything, gets what is stored; who takes another type nothing."""
    client.create("/photos", {"image": FILE, "title": "x"})

    assert client.read("/photos/1/image") == FILE
    assert client.request("GET", "/photos/1/image", Accept="*/*").json == FILE
    assert client.request("GET", "/photos/1/image", Accept="application/json").json == FILE
    refused = client.request("GET", "/photos/1/image", Accept="text/plain")
    assert (refused.status, refused.json["available"]) == (406, ["application/json", "image/png"])
    assert client.request("GET", "/photos/1?fields=title", Accept="image/png").status == 406
    assert client.get("/photos/1/title").status == 501
    assert client.get("/photos/9/image").status == 501


@pytest.mark.parametrize("field", ["image", "photos", "photos[]", "My Photos"])
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_each_of_several_files_has_an_address(client: Client, field: str, prefix: str) -> None:
    """Its place in the field, be the field's name a plural or not; beyond them a 404 says how many."""
    other = b"%PDF"
    files = [
        (f'name="{field}"; filename="a.png"\r\nContent-Type: image/png', PNG),
        (f'name="{field}"; filename="b.pdf"\r\nContent-Type: application/pdf', other),
    ]
    made = client.request("POST", f"{prefix}/things", **form(*files))
    record = f"{prefix}/things/{made.json['id']}"
    path = f"{record}/{quote(field)}"

    assert client.read(path) == made.json[field]
    assert client.read(f"{path}/1") == made.json[field][1]
    for place, media_type, data in ((0, "image/png", PNG), (1, "application/pdf", other)):
        answer = client.request("GET", f"{path}/{place}", Accept=media_type)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, data, media_type)
    assert client.read(f"{path}?fields=name&limit=1") == made.json[field]
    assert client.request("HEAD", f"{path}/0", Accept="image/*").headers["content-length"] == str(len(PNG))
    for place in ("2", "00", "99999999999"):
        assert client.get(f"{path}/{place}").error == (
            404,
            f"Files in {field}: 2, numbered from 0; there is no {place}",
        )
    refused = client.request("GET", path, Accept="image/png")
    assert (refused.status, refused.json["addresses"]) == (406, [f"{path}/0", f"{path}/1"])
    assert f"{path}/0 to {path}/1" in refused.json["detail"]
    by_query = client.request("GET", f"{record}?fields={quote(field)}", Accept="image/png")
    assert by_query.json["addresses"] == refused.json["addresses"]


def test_a_collection_comes_before_files(client: Client) -> None:
    """`/things/1/photos` is what has always been there, once there is one of that name."""
    client.create("/things", {"photos": [FILE, "x"]})
    assert client.read("/things/1/photos/1") == "x"
    client.create("/things/1/photos", {"title": "mine"})

    assert [each["title"] for each in client.read("/things/1/photos")["items"]] == ["mine"]
    assert client.read("/things/1/photos/1")["title"] == "mine"
    assert client.get("/things/1/photos/0").status == 404


def test_a_single_file_has_a_place(client: Client) -> None:
    """A client need not know how many there are; what has no file has no places."""
    client.create("/photos", {"image": FILE, "title": "x"})

    assert client.request("GET", "/photos/1/image/0", Accept="image/png").body == PNG
    assert client.get("/photos/1/image/1").status == 404
    assert client.get("/photos/1/title/0").status == 501
    assert client.get("/photos/1/image/first").status == 501
    assert [client.get(f"/photos/1/{name}").status for name in ("a%20b", "a%20b/0", ".env", "x.php")] == [
        404
    ] * 4


def test_a_page_is_for_downloading(client: Client) -> None:
    """HTML from a stranger is never shown in the service's name."""
    data = base64.b64encode(b"<script>").decode()
    page = {"name": "x.html", "type": "text/html", "size": 8, "data": data}
    client.create("/docs-of", {"page": page})
    answer = client.request("GET", "/docs-of/1/page", Accept="text/html,*/*;q=0.8")

    assert (answer.body, answer.headers["content-disposition"]) == (
        b"<script>",
        "attachment; filename*=UTF-8''x.html",
    )


def refused(answer: Answer) -> tuple[int, str]:
    return answer.error


def test_forms_that_are_refused(client: Client) -> None:
    """Each with its reason, and nothing stored."""
    big = form(('name="f"; filename="x"', b"x" * 524_289))
    assert refused(client.request("POST", "/photos", **big)) == (
        413,
        "The file in 'f' is larger than 524288 bytes.",
    )
    cut = form(('name="a"', b"1"))
    cut["raw"] = cut["raw"].removesuffix(b"--frontier--\r\n")
    assert refused(client.request("POST", "/photos", **cut))[0] == 400
    assert refused(client.request("POST", "/photos", **form(('name="a"', b"\xff"))))[0] == 400
    assert refused(client.request("POST", "/photos", **form(("x", b"1"))))[0] == 400
    assert client.read("/photos/count") == {"count": 0}
    largest = form(('name="f"; filename="x"', b"x" * 524_288))
    assert client.request("POST", "/photos", **largest).status == 201
