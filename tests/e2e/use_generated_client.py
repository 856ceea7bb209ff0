"""Run where a client was generated as `shop_client`; arguments are the service's URL and token."""

from __future__ import annotations

import sys

from shop_client import AuthenticatedClient
from shop_client.api.members import (
    change_members,
    count_members,
    create_members,
    delete_members,
    get_members,
    list_members,
    replace_members,
)
from shop_client.models import MembersChanges, MembersNew, MembersRecord, Problem

URL, TOKEN = sys.argv[1:]
SESSION = "shop"

with AuthenticatedClient(base_url=URL, token=TOKEN, headers={"X-Session-ID": SESSION}) as client:
    made = create_members.sync(client=client, body=MembersNew(name="Bob", age=25, email=None, tags=[]))
    assert isinstance(made, MembersRecord), made
    assert (made.name, made.age) == ("Bob", 25)
    assert isinstance(made.id, int)
    address = made.id

    found = get_members.sync(address, client=client)
    assert found == made, found

    page = list_members.sync(client=client, age_lt="30", sort="-age", limit=5)
    assert page is not None
    assert [each.name for each in page.items] == ["Bob"]
    assert page.page.total == 1

    counted = count_members.sync(client=client, name_startswith="Bo", or_="(id__lt=9,id__gt=9)")
    assert counted is not None
    assert counted.to_dict() == {"count": 1}

    changed = change_members.sync(address, client=client, body=MembersChanges(age=26))
    assert isinstance(changed, MembersRecord), changed
    assert (changed.name, changed.age) == ("Bob", 26)

    replaced = replace_members.sync(
        address, client=client, body=MembersChanges(name="Rob", age=27, email=None, tags=["x"])
    )
    assert isinstance(replaced, MembersRecord), replaced
    assert replaced.to_dict() == {"id": made.id, "name": "Rob", "age": 27, "email": None, "tags": ["x"]}

    gone = delete_members.sync_detailed(address, client=client)
    assert gone.status_code == 204, gone
    missing = get_members.sync(address, client=client)
    assert isinstance(missing, Problem), missing
    assert missing.status == 404

sys.stdout.write("created, read, listed, changed, replaced, deleted\n")
