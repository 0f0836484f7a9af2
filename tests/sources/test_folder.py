"""A folder as a source: what it promises of any source, and how it keeps to its root on a live disk."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
from contracts import MATILDA, MATILDA_10, MOST, OTHER, THEN, SourceContract

from coverproxy.domain.url_template import PathTemplate
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Unchanged, Validators
from coverproxy.sources.folder import FolderSource


@dataclass
class Folder:
    """A tree in shards, as its owner sees it."""

    root: Path
    source: FolderSource

    def path(self, isbn10: str) -> Path:
        return self.root / isbn10[:2] / f"{isbn10}.jpg"

    def put(self, isbn10: str, body: bytes, modified: int) -> None:
        path = self.path(isbn10)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (modified, modified))

    def remove(self, isbn10: str) -> None:
        self.path(isbn10).unlink()

    async def go_down(self) -> None:
        self.root.rename(self.root.with_name("unmounted"))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Folder]:
    template = PathTemplate("{isbn10:0:2}/{isbn10}.jpg")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "README").write_text("of the owner")
    async with aclosing(FolderSource("shelf", tmp_path / "root", template, MOST, 5.0, 4)) as source:
        yield Folder(tmp_path / "root", source)


async def reason(place: Folder) -> str:
    """Why the source could not be asked."""
    with pytest.raises(SourceUnavailable) as told:
        await place.source.fetch(MATILDA, None)
    return told.value.reason


class TestFolder(SourceContract):
    """A folder keeps what a source promises."""


async def test_an_empty_root_is_no_answer(place: Folder) -> None:
    """Where a disk is not mounted, an empty folder is left: nothing is taken for missing."""
    (place.root / "README").unlink()

    assert await reason(place) == "gone"


async def test_a_root_that_came_back_is_asked(place: Folder) -> None:
    """Once the disk is mounted again, the next ask finds the cover."""
    place.put(MATILDA_10, b"a cover", THEN)
    away = place.root.rename(place.root.with_name("away"))
    assert await reason(place) == "gone"
    away.rename(place.root)

    assert isinstance(await place.source.fetch(MATILDA, None), Fetched)


async def test_a_root_that_is_a_file_is_no_answer(place: Folder) -> None:
    """A root that is no folder says nothing of any book."""
    await place.go_down()
    place.root.write_bytes(b"")

    assert await reason(place) == "gone"


@pytest.mark.parametrize("is_absolute", [True, False])
async def test_a_link_out_of_the_root_is_not_followed(place: Folder, is_absolute: bool) -> None:
    """A link to a file outside is refused, and says so: it is no missing cover, but a tree to mend."""
    outside = place.root.with_name("secret")
    outside.write_bytes(b"secret")
    path = place.path(MATILDA_10)
    path.parent.mkdir()
    path.symlink_to(outside if is_absolute else "../../secret")

    assert await reason(place) == "outside"


async def test_a_folder_that_is_a_link_out_is_not_followed(place: Folder) -> None:
    """Nor is a shard that is a link, not even to a folder whose name starts as the root's does."""
    outside = place.root.with_name("root-of-others")
    outside.mkdir()
    (outside / f"{MATILDA_10}.jpg").write_bytes(b"secret")
    place.path(MATILDA_10).parent.symlink_to(outside)

    assert await reason(place) == "outside"


async def test_links_within_the_root_are_followed(place: Folder) -> None:
    """A tree may hold links of its own, and its root may be one that is moved to the next delivery."""
    place.put(MATILDA_10, b"a cover", THEN)
    place.path("0199536325").parent.mkdir(exist_ok=True)
    place.path("0199536325").symlink_to(place.path(MATILDA_10))
    moved = place.root.rename(place.root.with_name("delivery-2"))
    place.root.symlink_to(moved)
    place.path("0199536325").unlink()
    place.path("0199536325").symlink_to(f"{MATILDA_10}.jpg")

    for identifier in (MATILDA, OTHER):
        answer = await place.source.fetch(identifier, None)
        assert isinstance(answer, Fetched)
        assert answer.body == b"a cover"


async def test_a_loop_of_links_is_no_answer(place: Folder) -> None:
    """A link to itself is told as unreadable, not as an exception of Python's."""
    place.path(MATILDA_10).parent.mkdir()
    place.path(MATILDA_10).symlink_to(place.path(MATILDA_10))

    assert await reason(place) == "unreadable"


async def test_a_link_to_nothing_is_not_there(place: Folder) -> None:
    """A link whose file went away stands for no cover."""
    place.path(MATILDA_10).parent.mkdir()
    place.path(MATILDA_10).symlink_to("gone.jpg")

    assert isinstance(await place.source.fetch(MATILDA, None), NotThere)


async def test_a_pipe_is_not_waited_for(place: Folder) -> None:
    """A pipe or a folder under a cover's name is no cover, at once."""
    place.path(MATILDA_10).parent.mkdir()
    os.mkfifo(place.path(MATILDA_10))
    place.path("0199536325").mkdir()

    started = time.monotonic()
    for identifier in (MATILDA, OTHER):
        assert isinstance(await place.source.fetch(identifier, None), NotThere)
    assert time.monotonic() - started < 30


async def test_a_file_where_a_shard_should_be_is_not_there(place: Folder) -> None:
    """A file on the way (ENOTDIR) stands for no cover, as the root is there."""
    place.path(MATILDA_10).parent.write_bytes(b"")

    assert isinstance(await place.source.fetch(MATILDA, None), NotThere)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_what_may_not_be_read_is_no_answer(place: Folder) -> None:
    """A file without permission is there all the same: it is told as unreadable."""
    place.put(MATILDA_10, b"a cover", THEN)
    place.path(MATILDA_10).chmod(0)

    assert await reason(place) == "unreadable"


async def test_a_name_too_long_is_no_answer(tmp_path: Path) -> None:
    """A name that the file system refuses is a fault of the template, not a missing cover."""
    (tmp_path / "something").touch()
    template = PathTemplate("{isbn13}" * 25)
    async with aclosing(FolderSource("shelf", tmp_path, template, MOST, 5.0, 1)) as source:
        with pytest.raises(SourceUnavailable, match="unreadable"):
            await source.fetch(MATILDA, None)


async def test_the_same_size_and_second_are_told_apart(place: Folder) -> None:
    """A file that is replaced within a second by one of the same size is another one."""
    place.put(MATILDA_10, b"first", THEN)
    first = await place.source.fetch(MATILDA, None)
    assert isinstance(first, Fetched)
    place.path(MATILDA_10).write_bytes(b"other")
    os.utime(place.path(MATILDA_10), ns=(0, THEN * 10**9 + 5_000_000))

    second = await place.source.fetch(MATILDA, first.validators)

    assert isinstance(second, Fetched)
    assert second.body == b"other"


async def test_a_time_before_1970_is_taken_as_1970(place: Folder) -> None:
    """Files with impossible times are covers all the same, and known again."""
    place.put(MATILDA_10, b"a cover", -86_400)
    answer = await place.source.fetch(MATILDA, None)

    assert isinstance(answer, Fetched)
    assert answer.date == 0
    assert await place.source.fetch(MATILDA, answer.validators) == Unchanged()


async def test_validators_of_another_source_fetch_anew(place: Folder) -> None:
    """An ETag that is not this folder's is no reason to call a file unchanged, nor are empty ones."""
    place.put(MATILDA_10, b"a cover", THEN)

    for known in (Validators('"x"', "Tue, 14 Nov 2023 22:13:20 GMT"), Validators(), Validators(None, "x")):
        assert isinstance(await place.source.fetch(MATILDA, known), Fetched)


async def test_a_disk_that_hangs_is_cut_off(tmp_path: Path) -> None:
    """With its one thread held, an ask ends in its time, as no answer; and the loop stays free."""
    source = FolderSource("shelf", tmp_path, PathTemplate("{isbn13}"), MOST, 0.2, 1)
    released = asyncio.Event()
    loop = asyncio.get_running_loop()
    (tmp_path / MATILDA.value).write_bytes(b"a cover")
    held = loop.run_in_executor(
        source._threads, lambda: asyncio.run_coroutine_threadsafe(released.wait(), loop).result()
    )
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="timeout"):
        await source.fetch(MATILDA, None)
    assert 0.15 < time.monotonic() - started < 30

    released.set()
    await held
    assert isinstance(await source.fetch(MATILDA, None), Fetched)
    await source.aclose()
