"""The way of a cover: which original, which reading, what is remembered, and who pays."""

import asyncio
from pathlib import Path

import pytest
from conftest import COVERED, UNCOVERED, Running, Start, take_in
from samples import shrunk

from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier

OTHER = "9781853260001"


def originals(server: Running, value: str = COVERED) -> list[Path]:
    """The files of an ISBN's originals."""
    return sorted(server.originals.rglob(f"{value}-*"))


async def bring(server: Running, folder: Path, files: dict[str, bytes]) -> None:
    """Import *files*, as another process would while the server runs."""
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    await asyncio.to_thread(take_in, server.config, folder)


async def test_a_thousand_requests_make_one_cover(server: Running) -> None:
    """A thousand requests for one cold cover at once: one is made and counted, all get the same bytes."""
    got = await asyncio.gather(*(server.get(server.path()) for _ in range(1000)))

    assert {each.cover for each in got} == {"made", "hit"}
    assert sum(each.cover == "made" for each in got) == 1
    assert len({each.body for each in got}) == 1
    usage = await server.service.accounts.usage(server.key)
    assert list(usage.values())[-1] == 1


async def test_a_client_that_hangs_up_loses_nobody_the_cover(server: Running) -> None:
    """The client that led closes its connection: the cover is made, and counted once."""
    leader = asyncio.ensure_future(server.get(server.path(size="large")))
    while not len(server.service.flights):
        await asyncio.sleep(0)
    leader.cancel()
    followers = await asyncio.gather(*(server.get(server.path(size="large")) for _ in range(5)))

    assert {each.cover for each in followers} == {"hit"}
    assert followers[0].headers["X-RateLimit-Remaining"] == "999"


async def test_a_poor_leader_does_not_starve_a_rich_follower(server: Running) -> None:
    """Two keys ask at once, the first with no quota left: it is refused, the other gets its cover."""
    poor = await server.new_key(daily_limit=0)
    paths = [server.path(key=poor.name)] * 20 + [server.path()] * 20
    got = await asyncio.gather(*(server.get(path) for path in paths))

    rich, refused = got[20:], got[:20]
    assert [each.cover for each in rich].count("made") == 1
    assert {each.cover for each in rich} <= {"made", "hit"}
    assert {len(each.body) for each in rich} == {len(rich[0].body)}
    assert refused[0].cover == "quota"  # it asked first, when there was nothing to hit
    assert {each.cover for each in refused} <= {"quota", "hit"}
    assert list((await server.service.accounts.usage(poor)).values())[-1] == 0
    assert list((await server.service.accounts.usage(server.key)).values())[-1] == 1


def cut_short(server: Running, body: bytes) -> None:
    """Cut the stored original with these bytes, as a failing disk does."""
    (path,) = (each for each in server.originals.rglob(f"{OTHER}-*") if each.read_bytes() == body)
    path.unlink()  # it may be a link to a drawn one
    path.write_bytes(body[: len(body) // 2])


async def test_a_corrupt_original_is_passed_over_for_the_next_best(
    server: Running, tmp_path: Path, drawn: Path
) -> None:
    """The larger of two originals is cut short: the smaller is rendered, once the fault is known for good."""
    small = shrunk(drawn / "9780141439556.jpg")
    large = next(drawn.glob("978-0-14-143951-8.jpg")).read_bytes()
    await bring(server, tmp_path / "a", {f"{OTHER}.jpg": large, f"{OTHER}-2.jpg": small})
    await asyncio.to_thread(cut_short, server, large)
    got = await server.get(server.path(OTHER))

    assert got.cover == "made"
    found = server.folder.catalogue.find(Identifier("isbn", OTHER))
    faults = {each.bytes: each.fault for each in found}
    assert faults[len(small)] is None
    assert "decode" in (faults[len(large)] or "")
    async with server.client.get(server.listeners.ops_url + "/metrics") as metrics:
        assert 'unusable_total{reason="decode"} 1.0' in await metrics.text()


async def test_only_corrupt_originals_are_no_cover_and_cost_nothing(
    server: Running, tmp_path: Path, drawn: Path
) -> None:
    """With nothing that can be rendered the answer is "missing"; nothing is stored, and nothing counted."""
    body = (drawn / "9780141439556.jpg").read_bytes()
    await bring(server, tmp_path / "a", {f"{OTHER}.jpg": body})
    await asyncio.to_thread(cut_short, server, body)
    got = await server.get(server.path(OTHER))

    assert (got.cover, got.headers["X-RateLimit-Remaining"]) == ("missing", "1000")
    assert not list(server.folder.cache.layout.top.rglob(f"{OTHER}*"))
    assert not list(server.folder.cache.layout.temporary.iterdir())


async def test_an_unreadable_original_is_unavailable_not_missing(server: Running) -> None:
    """An original whose file is gone (a lost mount) is not "missing": it may come back, and then works."""
    (original,) = originals(server)
    original.rename(original.with_name("away"))
    away = await server.get(server.path())
    original.with_name("away").rename(original)
    back = await server.get(server.path())

    assert (away.cover, away.headers["Cache-Control"]) == ("unavailable", "no-store")
    assert away.headers["X-RateLimit-Remaining"] == "1000"
    assert back.cover == "made"


async def test_a_new_cover_is_there_at_once(server: Running, tmp_path: Path, drawn: Path) -> None:
    """An ISBN that was missing a moment ago has its cover as soon as it is imported."""
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    await bring(server, tmp_path / "a", {f"{UNCOVERED}.jpg": (drawn / "9780141439556.jpg").read_bytes()})

    assert (await server.get(server.path(UNCOVERED))).cover == "made"


async def test_a_better_original_replaces_what_is_on_disk(
    server: Running, tmp_path: Path, drawn: Path
) -> None:
    """Importing more pixels drops an ISBN's derivatives in both spellings: the next view is the new one."""
    small = await asyncio.to_thread(shrunk, drawn / "9780141439556.jpg")
    await bring(server, tmp_path / "a", {f"{OTHER}.jpg": small})
    first = await server.get(server.path(OTHER))
    await bring(server, tmp_path / "b", {f"{OTHER}.jpg": (drawn / "9780141439556.jpg").read_bytes()})
    ten = isbn.to_isbn10(OTHER)
    assert ten
    second = await server.get(server.path(ten))

    assert (first.headers["X-Cover-Size"], second.cover) == ("100x150", "made")
    assert second.headers["X-Cover-Original"] != first.headers["X-Cover-Original"]
    assert second.headers["ETag"] != first.headers["ETag"]


async def test_a_torn_derivative_is_made_again(server: Running) -> None:
    """A derivative of zero bytes (a crash of the machine) is never served: it is made anew."""
    whole = await server.get(server.path())
    (file,) = server.folder.cache.layout.top.glob(f"img/medium/jpg/*/isbn/*/*/{COVERED}.jpg")
    file.write_bytes(b"")
    again = await server.get(server.path())

    assert (again.cover, again.body) == ("made", whole.body)


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(0, 0, "missing"), (0, 1, "made"), (1, 0, "made"), (1, 1, "missing")]
)
async def test_nine_digits_that_mean_two_books_need_just_one_cover(
    server: Running, tmp_path: Path, drawn: Path, first: int, second: int, expected: str
) -> None:
    """Nine digits that are an SBN as well as a lost X are served only if one reading alone has a cover."""
    nine, readings = _ambiguous()
    body = (drawn / "9780141439556.jpg").read_bytes()
    for has_cover, value in zip((first, second), readings, strict=True):
        if has_cover:
            await bring(server, tmp_path / value, {f"{value}.jpg": body})

    assert (await server.get(server.path(nine))).cover == expected


def _ambiguous() -> tuple[str, tuple[str, ...]]:
    for number in range(100_000_000, 100_100_000):
        try:
            reading = isbn.parse(str(number))
        except NotAnIsbn:
            continue
        if reading.only_one:
            return str(number), reading.isbns
    raise AssertionError("none found")


async def test_a_list_takes_the_first_that_has_a_cover(server: Running) -> None:
    """Koha's `978… | 0…` list is tried in order; the first with a cover is it."""
    got = await server.get(server.path(f"{UNCOVERED}%20|%20{COVERED}"))

    assert got.cover == "made"
    assert (await server.get(server.path(COVERED))).cover == "hit"


async def test_purge_removes_and_the_next_view_makes(server: Running) -> None:
    """Purging a cover removes every size, format and spelling of it."""
    for path in (server.path(), server.path(size="small"), server.path(f"{COVERED}.webp")):
        await server.get(path)

    assert await server.covers.purge(Identifier("isbn", COVERED)) == 3
    assert (await server.get(server.path())).cover == "made"


async def test_every_drawn_cover_in_every_size_and_format(start: Start, drawn_isbns: list[str]) -> None:
    """JPEG, PNG and WebP originals all come out in three sizes and three formats, fitting their boxes."""
    server = await start(formats={"avif": True}, render={"answer_within_seconds": 30.0})
    for value in drawn_isbns[::4]:
        for size, box in server.config.usual_sizes.items():
            for form in Format:
                got = await server.get(server.path(f"{value}.{form.value}", size=size))
                width, height = map(int, got.headers["X-Cover-Size"].split("x"))
                assert got.cover == "made"
                assert got.headers["Content-Type"] == form.media_type
                assert width <= box.width
                assert height <= box.height
                assert width == box.width or height == box.height
