"""Roles of keys over the wire: their pace, what their owners are told, and the sizes a key keeps to."""

from dataclasses import replace

import orjson
import pytest
from conftest import Running, Start
from forms import Visitor

from coverproxy.web.app_keys import DESK

VUFIND = {"User_Agent": "VuFind/10", "Sec_Fetch_Dest": "", "Referer": ""}
WISH = {"label": "Library", "contact": "a@example.org"}


async def usage_of(server: Running, key: str) -> dict[str, object]:
    await server.app[DESK].ledger.write()
    told = orjson.loads((await server.get(f"/devkey/{key}/usage", Accept="application/json")).body)
    assert isinstance(told, dict)
    return told


async def test_a_catalogue_server_gets_a_hundred_new_covers(start: Start, drawn_isbns: list[str]) -> None:
    """A VuFind with a server key asks for a hundred covers that are not there yet: all are made."""
    server = await start(roles={"server": {"answer_within_seconds": 30.0}})
    key = await server.new_key(role="server")
    asked = [
        (isbn, size) for size in ("small", "w160", "medium", "w320") for isbn in dict.fromkeys(drawn_isbns)
    ]
    got = [
        (await server.get(server.path(isbn, size, key.name), **VUFIND)).cover for isbn, size in asked[:100]
    ]

    assert len(asked) >= 100
    assert got == ["made"] * 100
    assert (await usage_of(server, key.name))["throttled"] == 0


async def test_a_throttled_server_is_told_of_its_role(start: Start, drawn_isbns: list[str]) -> None:
    """With a browser's key it is throttled: no-store, counted on the key's page, with a word on the role."""
    server = await start(automated={"burst": 2, "covers_per_second": 0.01})
    got = [await server.get(server.path(isbn), **VUFIND) for isbn in drawn_isbns[:26] * 3]

    refused = [each for each in got if each.cover == "throttled"]
    assert (
        len(refused) == 72
    )  # of 26 covers two were made, and then hits: more than the refusals that are kept
    assert {each.headers["Cache-Control"] for each in refused} == {"no-store"}
    assert (await usage_of(server, server.key.name))["throttled"] == 72
    page = (await server.get(f"/devkey/{server.key.name}/usage", Accept="text/html")).body.decode()
    assert "72 times" in page
    assert "ask for the role" in page


async def test_a_role_takes_effect_at_once(start: Start, drawn_isbns: list[str]) -> None:
    """A key whose pace is used up goes on as soon as it is given the server's role."""
    patient = {"server": {"answer_within_seconds": 30.0}}  # the machine may be busy
    server = await start(automated={"burst": 1, "covers_per_second": 0.001}, roles=patient)
    key = await server.new_key()
    first = [(await server.get(server.path(isbn, key=key.name), **VUFIND)).cover for isbn in drawn_isbns[:2]]
    await server.service.accounts.save(replace(key, role="server"))
    later = [(await server.get(server.path(isbn, key=key.name), **VUFIND)).cover for isbn in drawn_isbns[2:5]]

    assert (first, later) == (["made", "throttled"], ["made"] * 3)


async def test_a_role_that_is_asked_for_is_the_operator_s_to_give(start: Start) -> None:
    """The key page notes the wish; the key works as a browser's until the admin page gives the role."""
    server = await start(signup={"mode": "open"}, admin={"token": "t" * 20})
    async with Visitor(server) as visitor:
        assert (await visitor.submit("/keys", WISH | {"role": "root"})).status == 400
        await visitor.submit("/keys", WISH | {"role": "server"})
        key = next(each for each in server.service.accounts.all() if each.label == "Library")
        assert (key.role, key.asked_role) == ("browser", "server")
        assert (await usage_of(server, key.name))["asked_role"] == "server"
        await visitor.submit("/admin/login", {"token": "t" * 20})
        settled = {"action": "settle", "key": key.name, "daily_limit": "7", "role": "server"}
        page = await visitor.submit("/admin/keys", settled | {"named_sizes_only": "on"})

    assert page.status == 200
    key = await server.service.accounts.known(key.name)
    assert (key.role, key.asked_role, key.named_sizes_only, key.daily_limit) == ("server", "", True, 7)


async def test_approving_gives_the_role_that_was_asked_for(start: Start) -> None:
    """One button approves key and role, or the role that was chosen beside it."""
    server = await start(signup={"mode": "approve"}, admin={"token": "t" * 20})
    keys = [await server.new_key(is_waiting=True, asked_role="server", label=label) for label in "ab"]
    async with Visitor(server) as visitor:
        await visitor.submit("/admin/login", {"token": "t" * 20})
        for key, role in zip(keys, ("", "browser"), strict=True):
            await visitor.submit("/admin/keys", {"action": "approve", "key": key.name, "role": role})
    found = [await server.service.accounts.known(key.name) for key in keys]

    assert [(key.role, key.asked_role, key.is_waiting) for key in found] == [
        ("server", "", False), ("browser", "", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "query", "given"),
    [("w160", "", "medium"), ("w320", "", "large"), ("medium", "?w=250", "large"), ("small@2x", "", "medium"),
     ("w800", "", "xlarge"), ("small", "", "small"), ("w200", "", "medium")],
)  # fmt: skip
async def test_a_key_that_keeps_to_named_sizes(server: Running, size: str, query: str, given: str) -> None:
    """A rung or a wish in pixels leads to the next named size, the same file; no other file is made."""
    key = await server.new_key(named_sizes_only=True)
    got = await server.get(server.path(size=size, key=key.name) + query)
    named = await server.get(server.path(size=given, key=key.name))

    assert got.status == 200
    assert (got.body, got.headers["ETag"]) == (named.body, named.headers["ETag"])
    assert server.service.accounts.made_today(key) == 1


async def test_a_quota_that_counts_books(start: Start, drawn_isbns: list[str]) -> None:
    """With quota.per = "item" one book's further sizes and formats are free, and the next book is refused."""
    server = await start(quota={"per": "item"})
    key = await server.new_key(daily_limit=1)
    one, other = drawn_isbns[:2]
    got = [
        await server.get(server.path(one, size, key.name)) for size in ("small", "medium", "large", "w320")
    ]

    assert [each.cover for each in got] == ["made"] * 4
    assert {each.headers["X-RateLimit-Remaining"] for each in got} == {"0"}
    assert (await server.get(server.path(other, key=key.name))).cover == "quota"
