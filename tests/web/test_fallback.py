"""Another edition in place of a missing cover: only where it is asked for, and never unsaid."""

import re

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Got, Running

from coverproxy.domain.decisions import Decision
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import OriginalState

ASKED, OTHER = Identifier(ISBN, UNCOVERED), Identifier(ISBN, COVERED)


async def get(server: Running, query: str = "", key: str = "", isbn: str = UNCOVERED) -> Got:
    return await server.get(f"/devkey/{key or server.key.name}/small/isbn/{isbn}{query}")


def link(server: Running, relation: Relation = Relation.FORMAT, asked: Identifier = ASKED) -> None:
    server.folder.catalogue.editions.link([EditionLink(asked, OTHER, relation, "marc-776")])


async def test_an_edition_stands_in_where_the_address_asks_for_it(server: Running) -> None:
    """Its own bytes and tag, its own address, and headers that say what it is; kept for a day at most."""
    link(server)
    own = await get(server, isbn=COVERED)
    plain = await get(server)
    assert (plain.headers["X-Cover-Status"], len(plain.body)) == ("missing", 43)
    got = await get(server, "?fallback=format")
    said = {name: got.headers[name] for name in ("X-Cover-Status", "X-Cover-Edition", "X-Cover-Relation")}
    assert (got.status, got.body, got.headers["ETag"]) == (200, own.body, own.headers["ETag"])
    assert said == {
        "X-Cover-Status": "edition", "X-Cover-Edition": COVERED, "X-Cover-Relation": "format",
    }  # fmt: skip
    assert got.headers["Content-Location"] == f"/devkey/{server.key.name}/small/isbn/{COVERED}"
    assert got.headers["Cache-Control"] == "public, max-age=86400"
    assert (await get(server)).headers["X-Cover-Status"] == "missing"


@pytest.mark.parametrize(
    ("relation", "far", "status"),
    [
        (Relation.FORMAT, "translation", "edition"), (Relation.EDITION, "edition", "edition"),
        (Relation.EDITION, "format", "missing"), (Relation.TRANSLATION, "edition", "missing"),
        (Relation.FORMAT, "none", "missing"), (Relation.FORMAT, "cousin", "missing"),
        (Relation.FORMAT, "", "missing"),
    ],
)  # fmt: skip
async def test_as_far_as_it_is_asked_for(server: Running, relation: Relation, far: str, status: str) -> None:
    """A form is closer than an edition, and that than a translation."""
    link(server, relation)
    assert (await get(server, f"?fallback={far}")).headers["X-Cover-Status"] == status


async def test_a_key_may_ask_for_it_always(server: Running) -> None:
    """Then other services' shapes have it as well, and an address can say no."""
    link(server)
    key = await server.new_key(fallback=Relation.EDITION)
    assert (await get(server, key=key.name)).headers["X-Cover-Status"] == "edition"
    assert (await get(server, "?fallback=none", key=key.name)).headers["X-Cover-Status"] == "missing"
    shape = f"/devkey/{key.name}/b/isbn/{UNCOVERED}-M.jpg"
    assert (await server.get(shape)).headers["X-Cover-Status"] == "edition"
    assert (await server.get(shape.replace(key.name, server.key.name))).headers["X-Cover-Status"] == "missing"


@pytest.mark.parametrize("hidden", ["book", "picture"])
async def test_a_hidden_item_has_no_stand_in(server: Running, hidden: str) -> None:
    """What a person hid stays without a picture; and a hidden picture stands in for nothing."""
    catalogue = server.folder.catalogue
    link(server)
    if hidden == "book":
        catalogue.decisions.hide(ASKED, None, Decision("anna", 1))
    else:
        catalogue.decide(catalogue.find(OTHER)[0], OriginalState.HIDDEN, is_pinned=False)
    assert (await get(server, "?fallback=translation")).headers["X-Cover-Status"] == "missing"


async def test_links_of_links_are_not_followed(server: Running) -> None:
    """One hop: an edition of an edition is too far."""
    between = Identifier(ISBN, "9798992242508")
    link(server, asked=between)
    server.folder.catalogue.editions.link([EditionLink(ASKED, between, Relation.FORMAT, "csv")])
    assert (await get(server, "?fallback=translation")).headers["X-Cover-Status"] == "missing"


async def test_info_names_the_edition_and_says_that_there_is_no_cover(server: Running) -> None:
    """`has_cover` stays false, in lists too; the item stays on the key's list of what is missing."""
    link(server)
    await get(server, "?fallback=format")
    path = f"/devkey/{server.key.name}/info/isbn/{UNCOVERED}"
    told = await server.get(f"{path}?fallback=format")
    known = orjson.loads(told.body)
    assert (known["has_cover"], known["status"]) == (False, "missing")
    assert known["edition"] == {
        "identifier": f"isbn:{COVERED}", "isbn13": COVERED, "relation": "format", "linked_by": "marc-776",
    }  # fmt: skip
    assert orjson.loads((await server.get(path)).body)["edition"] is None
    listed = orjson.loads((await server.get(f"/devkey/{server.key.name}/info?isbn={UNCOVERED}")).body)
    assert listed == {UNCOVERED: False}


async def test_the_items_page_shows_other_editions_by_their_version(server: Running) -> None:
    """Their pictures' addresses end in the version, so a browser may keep them for ever."""
    link(server)
    page = (await server.get(f"/item/isbn/{ASKED.value}", Accept="text/html")).body.decode()
    (address,) = re.findall(rf'src="(/try/medium/isbn/{COVERED}[^"]*)"', page)
    got = await server.get(address, Sec_Fetch_Dest="image", Sec_Fetch_Site="same-origin")
    assert "?v=" in address
    assert "immutable" in got.headers["Cache-Control"]
