"""The upload page: a librarian sends a picture, sees every size, and saves it, also without JavaScript."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import images
import pytest
from browser import Page
from conftest import UNCOVERED, Running, Start
from forms import Visitor
from link_host import link_host

from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import OriginalState

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
BOOK = UNCOVERED
NAME = Identifier(ISBN, BOOK)
FORM = f"/upload/isbn/{BOOK}"
COVER = images.jpeg(images.cover(640, 960))


_DROP = """(() => {
const bytes = Uint8Array.from(atob('%s'), each => each.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], 'dropped.jpg', {type: 'image/jpeg'}));
const drop = new DragEvent('drop', {dataTransfer: data, cancelable: true});
document.getElementById('drop').dispatchEvent(drop);
})()"""
"""Drops a picture on the form."""


@pytest.fixture
async def server(start: Start) -> Running:
    """A service that takes covers of owners after a review."""
    return await start(admin={"token": TOKEN}, signup={"tries_per_hour": 100})


@pytest.fixture
async def key(server: Running) -> Key:
    """A key with an owner's word."""
    key = Key(new_name(), "library", 1000, owner=hashed("the owners word"))
    await server.service.accounts.save(key)
    return key


@pytest.fixture
async def visitor(server: Running) -> AsyncIterator[Visitor]:
    """A browser without JavaScript."""
    async with Visitor(server) as made:
        yield made


async def sent(
    visitor: Visitor, server: Running, body: bytes, page: str = FORM, **fields: str
) -> tuple[int, str, str]:
    """Send the form; return the status, the page that follows, and its path."""
    text = (await visitor.get(page)).body.decode()
    token = re.findall(r'name="form_token" value="([\w-]+)"', text)[-1]
    form = aiohttp.FormData()
    for name, value in ({"form_token": token} | fields).items():
        form.add_field(name, value)
    form.add_field("file", body, filename="cover.jpg", content_type="image/jpeg")
    url = server.listeners.url + page
    async with visitor.client.post(url, data=form, headers={"Accept": "text/html"}) as got:
        return got.status, (await got.text()), got.url.path


def pressed(key: Key, word: str = "the owners word") -> dict[str, str]:
    """What an owner types."""
    return {"key": key.name, "word": word, "note": "from our shelf", "licence": "CC0"}


async def test_an_owner_sees_every_size_and_sends_it_for_review(
    server: Running, visitor: Visitor, key: Key
) -> None:
    """The second page shows the real sizes; what is sent waits, unseen, with its terms."""
    status, page, path = await sent(visitor, server, COVER, **pressed(key))
    assert (status, path.startswith("/upload/seen/")) == (200, True)
    sizes = re.findall(r'<img src="([^"]+)" width="([0-9]+)" height="([0-9]+)"', page)
    assert [int(width) for _, width, _ in sizes] == [100, 200, 500]
    for src, width, height in sizes:
        got = await visitor.get(src)
        assert images.decoded(got.body).shape[:2] == (int(height), int(width))
    got = await visitor.submit(path, {"act": "save"})
    assert "as soon as somebody has approved it" in got.body.decode()
    (found,) = server.folder.catalogue.find(NAME)
    assert (found.state, found.origin, found.terms.licence) == (OriginalState.PENDING, "cover.jpg", "CC0")


async def test_what_is_discarded_leaves_nothing(server: Running, visitor: Visitor, key: Key) -> None:
    """Neither a row nor a file stays, and the same picture may be sent again."""
    for _ in range(2):
        _, _, path = await sent(visitor, server, COVER, **pressed(key))
        assert "Discarded" in (await visitor.submit(path, {"act": "discard"})).body.decode()
        assert server.folder.catalogue.find(NAME) == []
    assert not list(Path(server.config.data.dir, "originals").rglob(f"{BOOK}*"))


async def test_an_administrator_saves_at_once(server: Running, visitor: Visitor) -> None:
    """Without a key: the session is enough, and the next request for the image has the cover."""
    await visitor.submit("/admin", {"token": TOKEN}, to="/admin/login")
    assert (await server.get(server.path(BOOK))).headers["X-Cover-Status"] == "missing"
    status, _, path = await sent(visitor, server, COVER, f"/admin/upload/isbn/{BOOK}")
    assert status == 200
    assert (await server.get(server.path(BOOK))).headers["X-Cover-Status"] == "missing"
    await visitor.submit(path, {"act": "save"})
    assert (await server.get(server.path(BOOK))).headers["X-Cover-Status"] == "made"


async def test_a_second_picture_replaces_the_first(server: Running, visitor: Visitor) -> None:
    """As PUT does: what the same person saved before goes with its file; what others sent stays."""
    other = images.jpeg(images.solid(images.RED, 500, 700))
    third = images.jpeg(images.solid(images.BLUE, 500, 700))
    url = f"{server.listeners.url}/devkey/{server.key.name}/original/isbn/{BOOK}?source=publisher"
    async with server.client.put(url, data=other, headers={"Authorization": f"Bearer {TOKEN}"}) as got:
        assert got.status == 201
    await visitor.submit("/admin", {"token": TOKEN}, to="/admin/login")
    for body in (COVER, third):
        _, _, path = await sent(visitor, server, body, f"/admin/upload/isbn/{BOOK}")
        await visitor.submit(path, {"act": "save"})
    found = server.folder.catalogue.find(NAME)
    assert [(each.digest, each.is_pinned) for each in found] == [
        (digest_of(third), True), (digest_of(other), False),
    ]  # fmt: skip
    assert len(list(server.originals.rglob(f"{BOOK}-*"))) == 2
    assert (await server.get(server.path(BOOK))).headers["X-Cover-Original"] == "500x700"


def digest_of(body: bytes) -> bytes:
    """What a picture is called in the catalogue."""
    return hashlib.sha256(body).digest()[:16]


@pytest.mark.parametrize(
    ("body", "word", "status", "why"),
    [
        (b"GIF, or so it says", "the owners word", 422, "This file is a text. Pictures are taken as JPEG"),
        (images.broken(COVER, 0.5), "the owners word", 422, "damaged"),
        (images.jpeg(images.solid(images.RED, 5, 5)), "the owners word", 422, "too small"),
        (COVER, "guessed", 403, "owner&#39;s secret"),
    ],
)
async def test_refusals_are_told_in_plain_words(
    server: Running, visitor: Visitor, key: Key, body: bytes, word: str, status: int, why: str
) -> None:
    """The form comes back with what was typed and with what is wrong; nothing is kept."""
    got, page, _ = await sent(visitor, server, body, **pressed(key, word))
    assert (got, why in page, key.name in page) == (status, True, True)
    assert server.folder.catalogue.find(NAME) == []
    assert not list(Path(server.config.data.dir, "originals", "tmp").iterdir())


async def test_forms_from_elsewhere_are_refused(server: Running, visitor: Visitor, key: Key) -> None:
    """Without the token of a form of ours nothing is read further, and no link is made up."""
    status, _, _ = await sent(visitor, server, COVER, **pressed(key), form_token="0" * 64)
    assert status == 403
    assert (await visitor.get("/upload/seen/made-up")).status == 404
    assert server.folder.catalogue.find(NAME) == []


async def test_a_librarian_drops_a_picture(server: Running, key: Key, tab: Page) -> None:
    """In Chromium: a dropped file is taken, its sizes are seen, and it goes to review."""
    await tab.open(server.listeners.url + FORM)
    await tab.fill("#key", key.name)
    await tab.fill("#word", "the owners word")
    await tab.ask(_DROP % base64.b64encode(COVER).decode())
    assert "dropped.jpg" in await tab.text(".dropped")
    await tab.click("form.sheet button")
    widths = "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
    assert await tab.ask(widths) == [100, 200, 500]
    assert await tab.barriers() == []
    await tab.click("button[value=save]")
    assert "Sent." in await tab.text(".note.good")


async def test_a_picture_is_sent_by_its_address(start: Start) -> None:
    """Where hosts are listed, the form has a field for it; without a file, the address is taken."""
    with link_host({"/cover.jpg": COVER}) as host:
        upload = {"hosts": [host.name], "allow": ["127.0.0.1"], "max_bytes": len(COVER) + 1}
        server = await start(admin={"token": TOKEN}, upload=upload)
        key = Key(new_name(), "library", 1000, owner=hashed("the owners word"))
        await server.service.accounts.save(key)
        async with Visitor(server) as visitor:
            text = (await visitor.get(FORM)).body.decode()
            token = re.findall(r'name="form_token" value="([\w-]+)"', text)[-1]
            form = aiohttp.FormData()
            fields = {"form_token": token, "url": host.url + "/cover.jpg"} | pressed(key)
            for name, value in fields.items():
                form.add_field(name, value)
            form.add_field("file", b"", filename="", content_type="application/octet-stream")
            url = server.listeners.url + FORM
            async with visitor.client.post(url, data=form, headers={"Accept": "text/html"}) as got:
                assert (got.status, got.url.path.startswith("/upload/seen/")) == (200, True)
            status, page, _ = await sent(visitor, server, COVER + bytes(2), **pressed(key))
            assert (status, "The file is too large." in page) == (413, True)
    (found,) = server.folder.catalogue.find(NAME)
    assert (found.state, found.origin) == (OriginalState.PENDING, host.url + "/cover.jpg")
