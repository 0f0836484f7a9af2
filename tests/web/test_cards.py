"""What is shown where there is no cover: the card, the operator's own picture, an error, or the pixel."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import COVERED, UNCOVERED, Running, Start
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.accounts.self_service import choice_of, with_choice
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import KeyRequestRefused
from coverproxy.imaging import vips
from coverproxy.web import cards

IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {f"{SVG}{name}" for name in ("svg", "rect", "g", "text")}


@given(
    st.text(max_size=300),
    st.text(max_size=300),
    st.sampled_from([(100, 150), (200, 300), (10, 10), (4000, 10)]),
)
def test_any_text_makes_a_card_and_nothing_else(title: str, author: str, size: tuple[int, int]) -> None:
    """Whatever the texts hold, the card is well-formed, small, of drawing elements alone, without links."""
    drawn = cards.draw(*size, title, author, "9780000000000")
    tree = ElementTree.fromstring(drawn)  # noqa: S314 - it is what we just made

    assert {each.tag for each in tree.iter()} <= ALLOWED
    assert not any("href" in name or name.startswith("on") for each in tree.iter() for name in each.attrib)
    assert len(drawn) < 8000


@given(st.text(max_size=200), st.floats(1, 20))
def test_lines_are_no_wider_than_their_room(text: str, ems: float) -> None:
    """Breaking keeps every visible character, in its order, and no line is wider than it may be."""
    lines = cards.broken(text, ems)

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cards._ems(line) <= ems or len(line) == 1 for line in lines)


def test_a_title_is_legible() -> None:
    """The words of a usual title stand on the card whole, and the author below them."""
    tree = ElementTree.fromstring(cards.draw(200, 300, "A Tale of Two Cities", "Charles Dickens", "x"))  # noqa: S314
    texts = [(float(each.attrib["y"]), each.text or "") for each in tree.iter(f"{SVG}text")]

    assert " ".join(text for _, text in texts) == "A Tale of Two Cities Charles Dickens"
    assert [y for y, _ in texts] == sorted(y for y, _ in texts)
    assert max(y for y, _ in texts) < 300


async def test_a_key_chooses_what_no_cover_shows(start: Start, tmp_path: Path) -> None:
    """Card, own picture, error or pixel: as the key says, as the URL says instead, and only where none is."""
    picture = tmp_path / "own.png"
    vips.library().Image.black(20, 30).write_to_file(str(picture))
    server = await start(site={"placeholder": str(picture)})
    seen = {}
    for choice in ("gif", "card", "own", "404"):
        key = with_choice(await server.new_key(), choice)
        await server.service.accounts.save(key)
        got = await server.get(server.path(UNCOVERED, key=key.name), Accept=IMAGE)
        seen[choice] = (got.status, got.headers["Content-Type"], got.cover)
        odd = await server.get(server.path("nonsense", key=key.name) + "?default=card", Accept=IMAGE)
        assert (odd.headers["Content-Type"], odd.cover) == ("image/svg+xml", "invalid")
        cover = await server.get(server.path(COVERED, key=key.name), Accept=IMAGE)
        assert cover.headers["Content-Type"] == "image/jpeg"
    assert seen == {
        "gif": (200, "image/gif", "missing"),
        "card": (200, "image/svg+xml", "missing"),
        "own": (200, "image/png", "missing"),
        "404": (404, "text/plain; charset=utf-8", "missing"),
    }
    own = await server.get(server.path(UNCOVERED) + "?default=own", Accept="*/*")
    assert own.body == picture.read_bytes()


async def test_a_card_is_only_for_who_can_show_it(server: Running) -> None:
    """A client that does not name pictures at large gets the pixel, which it understands; JSON stays JSON."""
    path = server.path(UNCOVERED) + "?default=card&title=A<b>&author=B"
    card = await server.get(path, Accept=IMAGE)
    pixel = await server.get(path, Accept="*/*")
    told = await server.get(path, Accept="application/json")

    assert b"A&lt;b&gt;" in card.body
    assert card.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert card.headers["X-Content-Type-Options"] == "nosniff"
    assert "Accept" in card.headers["Vary"]
    assert (len(pixel.body), pixel.headers["Content-Type"]) == (43, "image/gif")
    assert told.headers["Content-Type"] == "application/problem+json"
    assert (await server.get(path.replace(server.key.name, "a" * 26), Accept=IMAGE)).status == 403


async def test_what_may_be_there_in_a_moment_stays_the_pixel(server: Running) -> None:
    """A used-up quota is no missing cover: no card is kept in its place."""
    key = await server.new_key(daily_limit=0, no_cover="card")
    got = await server.get(server.path(COVERED, key=key.name), Accept=IMAGE)

    assert (got.cover, got.headers["Content-Type"]) == ("quota", "image/gif")


def test_choices_are_told_apart() -> None:
    """Each choice comes back as it was made, and another is refused."""
    key = Key("k" * 26, "x", 1)
    for choice in ("gif", "404", "card", "own"):
        assert choice_of(with_choice(key, choice)) == choice
    with pytest.raises(KeyRequestRefused):
        with_choice(key, "html")
