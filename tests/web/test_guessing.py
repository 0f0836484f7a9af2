"""The administrator's password cannot be guessed, and what people type as numbers is refused as such."""

import orjson
import pytest
from conftest import Running, Start

TOKEN = "a long enough password"  # noqa: S105 - of the tests


async def test_bearer_tokens_are_tried_as_seldom_as_passwords(start: Start) -> None:
    """Ten wrong tokens an hour are 401, all others 429; then a right one is refused too."""
    server = await start(admin={"token": TOKEN}, signup={"tries_per_hour": 10})
    tried = [(await server.get("/admin", Authorization=f"Bearer wrong{at}")).status for at in range(14)]

    assert tried == [401] * 10 + [429] * 4
    assert (await server.get("/admin", Authorization=f"Bearer {TOKEN}")).status == 429


async def test_the_form_and_bearer_share_their_tries(start: Start) -> None:
    """What was tried by Bearer is not there to be tried by the form again."""
    server = await start(admin={"token": TOKEN}, signup={"tries_per_hour": 3})
    tried = [(await server.get("/admin/service", Authorization=f"bearer {at}")).status for at in range(4)]

    assert tried == [401, 401, 401, 429]


async def test_the_right_token_takes_no_try(start: Start) -> None:
    """A program with the right token asks as often as it likes; nobody else is held back by a guesser."""
    server = await start(admin={"token": TOKEN}, signup={"tries_per_hour": 2})
    right = [(await server.get("/admin", Authorization=f"Bearer {TOKEN}")).status for _ in range(8)]
    for at in range(4):
        await server.get("/admin", Authorization=f"Bearer {at}", X_Forwarded_For="203.0.113.9")

    assert right == [200] * 8
    assert (await server.get("/admin", Authorization=f"Bearer {TOKEN}")).status == 200


@pytest.mark.parametrize("text", ["9" * 30, "9" * 5000, "-1", "x", "", "٣", "1e3", "0x10", "²"])
async def test_odd_numbers_are_refused(share: Start, caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Numbers on the admin pages that are none, or far too large, are 400 without a traceback."""
    server = await share(admin={"token": TOKEN})
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with server.client.get(
        f"{server.listeners.url}/admin/keys", params={"from": text}, headers=bearer
    ) as response:
        asked = response.status
    fields = {"action": "settle", "key": server.key.name, "daily_limit": text}
    async with server.client.post(
        f"{server.listeners.url}/admin/keys", data=fields, headers=bearer
    ) as response:
        sent = response.status

    assert asked == (414 if len(text) > 4000 else 400)
    assert sent == 400
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("public_url", "host", "status"),
    [
        ("https://covers.example.org", "covers.example.org", 200),
        ("https://covers.example.org", "COVERS.example.org:443", 200),
        ("https://covers.example.org", "evil.example", 403),
        ("https://covers.example.org", "127.0.0.1:8080", 403),
        ("", "127.0.0.1:8080", 200), ("", "localhost", 200), ("", "[::1]:8080", 200),
        ("", "evil.example", 403),
    ],
)  # fmt: skip
async def test_a_named_person_is_believed_under_our_own_host_only(
    start: Start, public_url: str, host: str, status: int
) -> None:
    """A page that rebinds its name to the loopback is nobody here, whatever header a browser sends for it."""
    server = await start(admin={"header": "X-Remote-User"}, front={"public_url": public_url})

    assert (await server.get("/admin", X_Remote_User="ada", Host=host)).status == status


async def test_refusals_of_what_is_sent_are_never_pictures(server: Running) -> None:
    """Who sends something gets a problem, whatever the address and whatever Accept says."""
    async with server.client.post(server.listeners.url + server.path(), data=b"x") as response:
        assert (response.status, response.content_type) == (405, "application/problem+json")
        assert orjson.loads(await response.read())["code"] == "method"
