"""The document's "Real-World Usage Examples", each a session from its first request to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.client import Client


def test_blog_management_workflow(client: Client) -> None:
    """Create, read, change, delete, and it is gone."""
    post = {
        "title": "Getting Started with Dynamic REST",
        "author": "Alice",
        "content": "This microservice uses LLMs to handle any REST endpoint...",
    }
    updated = "Updated: This microservice now supports schema learning!"
    created = client.post("/posts", post)

    assert (created.status, created.headers["location"]) == (201, "/posts/1")
    assert created.json == {"id": 1, **post}
    assert client.read("/posts/1") == {"id": 1, **post}
    changed = client.patch("/posts/1", {"content": updated})
    assert (changed.status, changed.json) == (200, {"id": 1, **post, "content": updated})
    assert client.delete("/posts/1").status == 204
    assert client.get("/posts/1").error == (404, "No record 1 in posts")


def test_e_commerce_workflow(client: Client) -> None:
    """Two collections of one session, each with its own ids."""
    product = {
        "sku": "WIDGET-001",
        "name": "Smart Widget",
        "price": 99.99,
        "stock": 50,
        "category": "electronics",
    }
    order = {
        "customer": "customer@example.com",
        "items": [{"product_id": 1, "quantity": 2}],
        "total": 199.98,
        "status": "pending",
    }
    assert client.create("/products", product) == {"id": 1, **product}
    stocked = client.patch("/products/1", {"stock": 45})
    assert (stocked.status, stocked.json) == (200, {"id": 1, **product, "stock": 45})
    assert client.create("/orders", order) == {"id": 1, **order}
    assert client.read("/products/search?category=electronics") == [{"id": 1, **product, "stock": 45}]
    assert client.read("/products/search?category=books") == []


def test_task_management_system(client: Client) -> None:
    """A status that changes step by step."""
    project = {
        "name": "Q1 Product Launch",
        "owner": "alice@company.com",
        "status": "active",
        "deadline": "2025-03-31",
    }
    task = {
        "project_id": 1,
        "title": "Design mockups",
        "assignee": "bob@company.com",
        "status": "todo",
        "priority": "high",
    }
    assert client.create("/projects", project) == {"id": 1, **project}
    assert client.create("/tasks", task) == {"id": 1, **task}
    for status in ("in_progress", "done"):
        answer = client.patch("/tasks/1", {"status": status})
        assert (answer.status, answer.json) == (200, {"id": 1, **task, "status": status})
    assert client.read("/projects/1/tasks")["items"] == [{"id": 1, **task, "status": "done"}]


def test_complex_nested_data_structures(client: Client) -> None:
    """Nested JSON comes back as it was sent."""
    watch: dict[str, Any] = {
        "name": "Smart Watch Pro",
        "specs": {
            "display": {"size": "1.9 inches", "type": "AMOLED", "resolution": "450x450"},
            "sensors": ["GPS", "heart rate", "blood oxygen", "accelerometer"],
            "battery": {"life": "18 hours", "charging": "wireless"},
        },
        "variants": [
            {"color": "black", "stock": 10, "sku": "SWP-BLK"},
            {"color": "silver", "stock": 5, "sku": "SWP-SLV"},
        ],
        "price": 399.99,
    }
    created = client.post("/products", watch)

    assert (created.status, created.headers["location"]) == (201, "/products/1")
    assert created.json == {"id": 1, **watch}
    assert client.read("/products/1") == {"id": 1, **watch}
    assert client.read("/products/1")["specs"]["display"]["type"] == "AMOLED"


def test_schema_learning_and_format_consistency(client: Client) -> None:
    """Records keep the fields and their order, alone and in a list; without a limit it is null."""
    alice = {"name": "Alice", "email": "alice@example.com", "role": "admin", "active": True}
    bob = {"name": "Bob", "email": "bob@example.com", "role": "user", "active": True}
    assert client.create("/users", alice) == {"id": 1, **alice}
    assert client.create("/users", bob) == {"id": 2, **bob}

    answer = client.get("/users/1")
    assert list(answer.json) == ["id", "name", "email", "role", "active"]
    assert answer.json == {"id": 1, **alice}
    assert client.read("/users") == {
        "items": [{"id": 1, **alice}, {"id": 2, **bob}],
        "page": {"total": 2, "limit": None, "offset": 0},
    }


def test_session_isolation(client: Client) -> None:
    """Two sessions, the same path, the same id, two records."""
    first, second = client.named("user1-a"), client.named("user2-a")
    one = {"name": "Session 1 Product", "price": 100}
    two = {"name": "Session 2 Product", "price": 200}

    assert first.create("/products", one) == {"id": 1, **one}
    assert second.create("/products", two) == {"id": 1, **two}
    assert first.read("/products/1") == {"id": 1, **one}
    assert second.read("/products/1") == {"id": 1, **two}
    assert client.get("/products/1").status == 404
    assert first.named("USER1-A").get("/products/1").status == 404


def test_batch_operations(client: Client) -> None:
    """Five in sequence have the ids 1 to 5 and are listed in that order."""
    for number in range(1, 6):
        client.create("/items", {"name": f"Item {number}", "index": number})

    assert client.read("/items?limit=10&offset=0") == {
        "items": [{"id": number, "name": f"Item {number}", "index": number} for number in range(1, 6)],
        "page": {"total": 5, "limit": 10, "offset": 0},
    }


def test_error_handling(client: Client) -> None:
    """404 for what is not there, whatever is to be done with it; 400 for what is no JSON."""
    missing = (404, "No record 99999 in products")

    assert client.get("/products/99999").error == missing
    assert client.delete("/products/99999").error == missing
    assert client.patch("/products/99999", {"price": 50}).error == missing
    answer = client.request("POST", "/products", raw=b"invalid json")
    detail = "Invalid JSON: unexpected character, expected a JSON value (line 1, column 1)"
    assert answer.status == 400
    assert answer.json == {
        "type": "/_meta/problems/invalid-json",
        "title": "Invalid JSON",
        "status": 400,
        "detail": detail,
        "error": detail,
        "request_id": answer.headers["x-request-id"],
        "line": 1,
        "column": 1,
    }
