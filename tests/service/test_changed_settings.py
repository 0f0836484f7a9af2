"""Changed settings: what was shown stays shown, until the new pictures are made at the operator's cost."""

import asyncio
from pathlib import Path

import pytest
from conftest import COVERED, Got, Running, Start

from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec

BEFORE = {"medium": {"jpeg": {"quality": 30}}}
AFTER = {"medium": {"jpeg": {"quality": 90}}}
MEDIUM = Spec(Identifier("isbn", COVERED), "medium", Format.JPEG)


async def remade(server: Running, key: str, was: bytes) -> Got:
    """Ask until the new picture is there."""
    async with asyncio.timeout(60):
        while (got := await server.get(server.path(key=key))).body == was:
            await asyncio.sleep(0.05)
    return got


async def test_only_what_changed_gets_another_folder(start: Start) -> None:
    """A size and format whose quality changes gets another revision, and nothing else does."""
    first, second = await start(sizes=BEFORE), await start(sizes=AFTER)
    before, after = first.folder.cache.layout.revisions, second.folder.cache.layout.revisions

    assert {each for each in before if before[each] != after[each]} == {("medium", Format.JPEG)}


async def test_with_a_used_up_quota_the_old_pictures_are_served_and_made_anew(
    start: Start, tmp_path: Path, drawn_isbns: list[str]
) -> None:
    """A key without quota keeps its covers, gets the new ones, and pays nothing."""
    books = drawn_isbns[:3]
    first = await start(tmp_path / "data", sizes=BEFORE)
    key = (await first.new_key(daily_limit=3)).name
    old = [await first.get(first.path(book, key=key)) for book in books]
    assert [got.cover for got in old] == ["made"] * 3

    second = await start(tmp_path / "data", sizes=AFTER)
    for book, was in zip(books, old, strict=True):
        got = await second.get(second.path(book, key=key))
        assert (got.cover, got.body) == ("hit", was.body)
    got = await second.get(second.path(drawn_isbns[3], key=key))
    assert got.cover == "quota"
    async with asyncio.timeout(60):
        for book, was in zip(books, old, strict=True):
            while (got := await second.get(second.path(book, key=key))).body == was.body:
                await asyncio.sleep(0.05)
            assert (got.cover, len(got.body) > len(was.body)) == ("hit", True)
            assert got.headers["X-RateLimit-Remaining"] == "0"


async def test_a_new_picture_has_a_new_tag_and_a_later_time(start: Start, tmp_path: Path) -> None:
    """Clients that ask with the old tag or date get the new picture, and the old file is gone from disk."""
    first = await start(tmp_path / "data", sizes=BEFORE)
    old = await first.get(first.path())
    second = await start(tmp_path / "data", sizes=AFTER)
    new = await remade(second, second.key.name, old.body)

    assert new.headers["ETag"] != old.headers["ETag"]
    for ours, theirs in (("If_None_Match", "ETag"), ("If_Modified_Since", "Last-Modified")):
        again = await second.get(second.path(), **{ours: old.headers[theirs]})
        assert (again.status, again.body) == (200, new.body)
    assert second.folder.cache.find_older(MEDIUM) is None


async def test_settings_changed_back_make_it_once_more(start: Start, tmp_path: Path) -> None:
    """Back at the former settings the picture is theirs again; its time never goes back."""
    servers = [await start(tmp_path / "data", sizes=sizes) for sizes in (BEFORE, AFTER, BEFORE)]
    old = await servers[0].get(servers[0].path())
    new = await remade(servers[1], servers[1].key.name, old.body)
    back = await remade(servers[2], servers[2].key.name, new.body)

    assert back.body == old.body
    assert len({got.headers["ETag"] for got in (old, new, back)}) == 3


async def test_what_a_person_removed_is_not_served_from_older_settings(start: Start, tmp_path: Path) -> None:
    """A purge takes the pictures of older settings too: the next view makes it of what there is now."""
    first = await start(tmp_path / "data", sizes=BEFORE)
    await first.get(first.path())
    second = await start(tmp_path / "data", sizes=AFTER)
    await second.covers.purge(MEDIUM.identifier)

    assert (await second.get(second.path())).cover == "made"


async def test_remakes_are_bounded(start: Start, tmp_path: Path, drawn_isbns: list[str]) -> None:
    """A page of covers of older settings is answered with all of them, while few are made anew at once."""
    first = await start(tmp_path / "data", sizes=BEFORE)
    for book in drawn_isbns[:8]:
        await first.get(first.path(book))
    second = await start(tmp_path / "data", sizes=AFTER)
    answers = await asyncio.gather(*(second.get(second.path(book)) for book in drawn_isbns[:8]))

    assert {got.cover for got in answers} == {"hit"}
    assert len(second.service.remakes) <= 2


@pytest.mark.parametrize("what", ["original", "catalogue"])
async def test_without_an_original_the_old_picture_stays(start: Start, tmp_path: Path, what: str) -> None:
    """Where the new picture cannot be made, the old one is served on."""
    first = await start(tmp_path / "data", sizes=BEFORE)
    old = await first.get(first.path())
    second = await start(tmp_path / "data", sizes=AFTER)
    for original in second.folder.catalogue.find(MEDIUM.identifier):
        if what == "original":
            second.folder.files.path(original).unlink()
        else:
            second.folder.catalogue.mark_faulty(original, "truncated")
    for _ in range(3):
        got = await second.get(second.path())
        assert (got.cover, got.body) == ("hit", old.body)
        await second.service.remakes.land(5)
