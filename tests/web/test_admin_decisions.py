"""Putting originals right on the admin pages: choosing, hiding, undoing, and reviewing what people sent."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import images
import pytest
from conftest import Running, Start, take_in
from forms import Visitor

from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.service.import_file import offered
from coverproxy.service.import_steps import Sender
from coverproxy.wiring.commands import open_importer

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
BOOK, OTHER = "9780140449136", "9780141439518"
NAME = Identifier(ISBN, BOOK)
PAGE = f"/admin/book?isbn={BOOK}"


@pytest.fixture
async def server(start: Start, tmp_path: Path) -> Running:
    """A service with two originals of one book, of which another book has the little one too."""
    server = await start(admin={"token": TOKEN}, upload={"owners": "review"})
    large, little = (images.jpeg(images.cover(*size)) for size in ((600, 900), (400, 600)))
    for folder, name, body in (("a", BOOK, large), ("b", BOOK, little), ("a", OTHER, little)):
        (tmp_path / "in" / folder).mkdir(exist_ok=True, parents=True)
        (tmp_path / "in" / folder / f"{name}.jpg").write_bytes(body)
    await asyncio.to_thread(take_in, server.config, tmp_path / "in", "copy")
    return server


@pytest.fixture
async def admin(server: Running) -> AsyncIterator[Visitor]:
    """An administrator who has logged in."""
    async with Visitor(server) as visitor:
        got = await visitor.submit("/admin", {"token": TOKEN}, to="/admin/login")
        assert got.status == 200
        yield visitor


async def test_a_nameless_source_is_called_so(server: Running, admin: Visitor, tmp_path: Path) -> None:
    """As in the table of sources; a dash would look like a source that is not known."""
    (tmp_path / "nameless").mkdir()
    (tmp_path / "nameless" / f"{BOOK}.jpg").write_bytes(images.small_jpeg())
    with open_importer(server.config, server.folder, lambda refusal: None) as importer:
        importer.run(offered(tmp_path / "nameless", Sender("")), lambda report: None)
    page = (await admin.get(PAGE)).body.decode()
    assert page.count("source: (no name)") == 1
    assert page.count("source: test") == 2


def shown(server: Running) -> int | None:
    """The width of what the book shows."""
    found = server.folder.catalogue.find(NAME)
    return next((each.width for each in found if each.is_usable), None)


async def decided(admin: Visitor, act: str, **fields: str) -> str:
    """Press a button of the book's page, and return the page that follows."""
    got = await admin.submit(PAGE, {"isbn": BOOK, "act": act, **fields}, to="/admin/decide")
    assert got.status == 200, got
    return got.body.decode()


async def test_an_administrator_chooses_hides_and_undoes(server: Running, admin: Visitor) -> None:
    """What is chosen is shown, what is hidden is not, each with its note; undoing brings back what was."""
    large, little = (each.digest.hex() for each in server.folder.catalogue.find(NAME))
    assert shown(server) == 600
    page = await decided(admin, "pin", digest=little, note="the second edition")
    assert (shown(server), "the second edition" in page) == (400, True)
    await decided(admin, "hide", digest=little)
    assert shown(server) == 600
    await decided(admin, "hide", digest=large)
    assert shown(server) is None
    page = (await admin.get(PAGE)).body.decode()
    number = re.findall(r'name="number" value="([0-9]+)"', page)[0]
    await decided(admin, "undo", number=number)
    assert shown(server) == 600
    await decided(admin, "restore", digest=little)
    assert len([each for each in server.folder.catalogue.find(NAME) if each.is_usable]) == 2


async def test_one_click_hides_a_picture_wherever_it_is(server: Running, admin: Visitor) -> None:
    """The page names the other books with the same picture, and hides or restores it for all at once."""
    little = server.folder.catalogue.find(NAME)[1].digest.hex()
    assert OTHER in (await admin.get(PAGE)).body.decode()
    await decided(admin, "hide_everywhere", digest=little)
    other = server.folder.catalogue.find(Identifier(ISBN, OTHER))
    assert [each.is_usable for each in other] == [False]
    await decided(admin, "restore_everywhere", digest=little)
    assert [each.is_usable for each in server.folder.catalogue.find(Identifier(ISBN, OTHER))] == [True]


async def test_a_whole_book_is_hidden_and_shown_again(server: Running, admin: Visitor) -> None:
    """One button hides all that a book has and will have; another takes that back."""
    page = await decided(admin, "hide_book", note="no rights")
    assert (shown(server), "no rights" in page) == (None, True)
    await decided(admin, "restore_book")
    assert shown(server) == 600


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"act": "burn"}, 400),
        ({"act": "pin", "digest": "xyz"}, 400),
        ({"act": "undo", "number": "-1"}, 400),
        ({"act": "pin", "digest": "0" * 32}, 200),
        ({"act": "undo", "number": "999999"}, 200),
        ({"act": "pin", "isbn": "nothing"}, 400),
    ],
)
async def test_what_cannot_be_done_is_said(
    server: Running, admin: Visitor, fields: dict[str, str], status: int
) -> None:
    """A form that is not ours is refused; what is no longer there is told on the book's page."""
    got = await admin.submit(PAGE, {"isbn": BOOK} | fields, to="/admin/decide")
    assert got.status == status
    assert b'class="note bad"' in got.body or status == 400
    assert shown(server) == 600


async def test_many_are_reviewed_at_once(server: Running, admin: Visitor) -> None:
    """What people sent waits in an order of choice, also as CSV; what is ticked is shown, or turned down."""
    key = Key(new_name(), "library", 1000, owner=hashed("the owners word"))
    await server.service.accounts.save(key)
    for name, side in ((BOOK, 610), (OTHER, 620)):
        sent = await server.client.put(
            server.listeners.url + f"/devkey/{key.name}/original/isbn/{name}",
            data=images.jpeg(images.cover(side, 900)), headers={"Authorization": "Bearer the owners word"},
        )  # fmt: skip
        assert sent.status == 202, await sent.text()
    page = (await admin.get("/admin/review")).body.decode()
    first, second = re.findall(r'name="pick-[0-9]+" value="([^"]+)"', page)
    newest = (await admin.get("/admin/review?sort=newest")).body.decode()
    assert re.findall(r'name="pick-[0-9]+" value="([^"]+)"', newest) == [second, first]
    rows = (await admin.get("/admin/review.csv?sort=newest")).body.decode().splitlines()
    assert [row.split(",")[:3] for row in rows] == [
        ["name", "width", "height"], [OTHER, "620", "900"], [BOOK, "610", "900"],
    ]  # fmt: skip
    await admin.submit("/admin/review", {"pick-1": first, "act": "approve"})
    assert shown(server) == 610
    got = await admin.submit("/admin/review", {"pick-1": first, "pick-2": second, "act": "hide"})
    assert "Nothing waits" in got.body.decode()
