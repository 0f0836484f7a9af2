"""Derivatives on disk: layout, whole names, torn files, links."""

import os
from dataclasses import replace
from pathlib import Path

import caches
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.cache.disk import DiskCache
from coverproxy.domain import isbn, schemes
from coverproxy.domain.api_key import Key
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec

ISBN13, ISBN10 = "9780545010221", "0545010225"
SPEC = Spec(Identifier("isbn", ISBN13), "medium", Format.JPEG)
# A JPEG in all that the cache looks at: SOI, a frame header of 200x300, EOI.
JPEG = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c801011100ffd9")
PICTURE = Derivative(JPEG, Format.JPEG, 1_217_808_000, (200, 300), (1128, 1718))


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    """An open cache with one size."""
    disk = DiskCache(caches.layout(tmp_path, {"medium": "0123456789"}))
    disk.open()
    return disk


def test_the_url_is_the_path(cache: DiskCache, tmp_path: Path) -> None:
    """A derivative lies where nginx looks for it: by size, format, revision, scheme and digits."""
    cache.put(SPEC, PICTURE)

    assert (tmp_path / f"v2/img/medium/jpg/0123456789/isbn/10/22/{ISBN13}.jpg").read_bytes() == JPEG
    assert (tmp_path / f"v2/live/medium/jpg/isbn/10/22/{ISBN13}.jpg").read_bytes() == JPEG


def test_the_other_spelling_is_a_hard_link(cache: DiskCache, tmp_path: Path) -> None:
    """The ISBN-10's name is the same inode, so it has the same mtime, size and ETag."""
    cache.put(SPEC, PICTURE)
    folder = tmp_path / "v2/live/medium/jpg/isbn/10/22"

    assert (folder / f"{ISBN10}.jpg").samefile(folder / f"{ISBN13}.jpg")
    assert (folder / f"{ISBN10}.jpg").stat().st_mtime == PICTURE.mtime


def test_979_has_one_name(cache: DiskCache, tmp_path: Path) -> None:
    """An ISBN without ISBN-10 has its one file and no other."""
    cache.put(Spec(Identifier("isbn", "9791026900948"), "medium", Format.JPEG), PICTURE)

    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["9791026900948.jpg"]


def test_what_is_put_is_found(cache: DiskCache) -> None:
    """A found derivative is the one put, its original's size included; one never put is None."""
    assert cache.find(SPEC) is None
    cache.put(SPEC, PICTURE)
    found = cache.find(SPEC)

    assert found
    assert (found.body, found.mtime, found.size, found.etag) == (
        JPEG,
        PICTURE.mtime,
        (200, 300),
        PICTURE.etag,
    )
    assert found.original in (PICTURE.original, None)  # None: a file system without extended attributes


def test_putting_again_replaces_both_names(cache: DiskCache, tmp_path: Path) -> None:
    """A second put swaps both spellings to the new file."""
    cache.put(SPEC, PICTURE)
    newer = Derivative(JPEG, Format.JPEG, 1_300_000_000, (200, 300), None)
    cache.put(SPEC, newer)

    folder = tmp_path / "v2/live/medium/jpg/isbn/10/22"
    assert (folder / f"{ISBN10}.jpg").samefile(folder / f"{ISBN13}.jpg")
    found = cache.find(SPEC)
    assert found
    assert found.etag == newer.etag


@given(st.integers(0, len(JPEG) - 1))
def test_a_torn_file_is_never_found_and_is_removed(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    """A derivative cut anywhere (a crash of the machine) counts as absent, and goes under all its names."""
    cache = DiskCache(caches.layout(tmp_path_factory.mktemp("cache"), {"medium": "0123456789"}))
    cache.open()
    cache.put(SPEC, PICTURE)
    for path in cache.layout.paths(SPEC)[:1]:
        os.truncate(path, length)

    assert cache.find(SPEC) is None
    assert not any(path.exists() for path in cache.layout.paths(SPEC))


def test_a_put_that_fails_leaves_nothing(cache: DiskCache, tmp_path: Path) -> None:
    """Where a name cannot be made, put raises, and no temporary file stays."""
    blocker = tmp_path / "v2/img/medium/jpg/0123456789/isbn/10"
    blocker.parent.mkdir()
    blocker.write_text("in the way")
    with pytest.raises(OSError, match=r"."):
        cache.put(SPEC, PICTURE)

    assert list((tmp_path / "v2/tmp").iterdir()) == []
    assert blocker.read_text() == "in the way"


def test_files_are_readable_by_another_user(cache: DiskCache) -> None:
    """nginx runs as another user: it may read what we write."""
    cache.put(SPEC, PICTURE)

    assert cache.layout.paths(SPEC)[0].stat().st_mode & 0o444 == 0o444


def test_opening_sweeps_what_the_dead_left_and_nothing_else(cache: DiskCache, tmp_path: Path) -> None:
    """Temporary files of processes that are gone are removed; a living writer's stay."""
    dead, living = tmp_path / "v2/tmp/4194999-aa", tmp_path / f"v2/tmp/{os.getpid()}-bb"
    for path in (dead, living):
        path.write_bytes(b"half")

    assert cache.open() == 1
    assert not dead.exists()
    assert living.exists()


def test_changed_settings_swap_the_live_link(cache: DiskCache, tmp_path: Path) -> None:
    """A new revision takes the size's live link; the old files stay for eviction, and are not served."""
    cache.put(SPEC, PICTURE)
    newer = DiskCache(caches.layout(tmp_path, {"medium": "fedcba9876"}))
    newer.open()

    assert (tmp_path / "v2/live/medium/jpg").readlink() == Path("../../img/medium/jpg/fedcba9876")
    assert newer.find(SPEC) is None
    assert cache.find(SPEC)


def test_purging_removes_every_trace(cache: DiskCache, tmp_path: Path) -> None:
    """Purge takes every spelling, format and revision of one book, and no other book."""
    other = Spec(Identifier("isbn", "9791026900948"), "medium", Format.JPEG)
    old = DiskCache(caches.layout(tmp_path, {"medium": "fedcba9876"}))
    old.open()
    for disk in (cache, old):
        disk.put(SPEC, PICTURE)
    cache.put(other, PICTURE)

    assert cache.purge(SPEC.identifier) == 2
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["9791026900948.jpg"]


@given(st.integers(0, 999_999_999))
def test_both_spellings_lie_in_one_shard(number: int) -> None:
    """The shard is the four digits before the check digit, in either spelling: nginx needs no arithmetic."""
    (isbn13,) = isbn.parse(_isbn10(number)).isbns if len(set(_isbn10(number))) > 1 else (ISBN13,)
    identifier = Identifier("isbn", isbn13)

    assert isbn13[8:10] + isbn13[10:12] == "".join(schemes.shard(identifier))
    for spelling in schemes.stems(identifier):
        assert spelling[-5:-1] == "".join(schemes.shard(identifier))


def _isbn10(number: int) -> str:
    digits = f"{number:09d}"
    check = sum((10 - at) * int(digit) for at, digit in enumerate(digits))
    return digits + "0123456789X"[-check % 11]


NOW = 1_800_000_000.0
ACTIVE = Key("a" * 26, "", 1)
REVOKED = Key("b" * 26, "", 1, revoked_at=1)
BOUND = Key("c" * 26, "", 1, sites=("example.org",))
EXPIRED = Key("d" * 26, "", 1, expires_at=int(NOW))


def test_a_key_has_a_link_exactly_while_it_is_open(tmp_path: Path) -> None:
    """An active key of any site has a symlink to the live sizes; a revoked, bound or expired one has none."""
    links = KeyLinks(tmp_path / "by-key")
    for key in (ACTIVE, REVOKED, BOUND, EXPIRED):
        links.keep(key, NOW)

    assert {path.name for path in (tmp_path / "by-key").iterdir()} == {ACTIVE.name}
    assert (tmp_path / "by-key" / ACTIVE.name).readlink() == Path("../live")
    links.keep(Key(ACTIVE.name, "", 1, revoked_at=2), NOW)
    assert list((tmp_path / "by-key").iterdir()) == []


def test_a_key_of_named_sizes_has_a_link_to_those(tmp_path: Path) -> None:
    """Its link leads to their folder; saved or repaired, it follows the key when that changes."""
    links, link = KeyLinks(tmp_path / "by-key"), tmp_path / "by-key" / ACTIVE.name
    named = replace(ACTIVE, named_sizes_only=True)
    links.keep(named, NOW)
    assert link.readlink() == Path("../named")
    links.keep(ACTIVE, NOW)
    assert link.readlink() == Path("../live")
    assert links.repair([named], NOW) == 1
    assert link.readlink() == Path("../named")
    assert links.repair([named], NOW) == 0


def test_the_folder_of_named_sizes_has_exactly_those(tmp_path: Path) -> None:
    """Each leads to its folder in live; a size that the next config no longer names is gone from it."""
    made = caches.layout(tmp_path, {"medium": "a", "w320": "b"})
    for named in ({"medium", "w320"}, {"medium"}):
        cache = DiskCache(replace(made, named=frozenset(named)))
        cache.open()
        assert {path.name for path in cache.layout.live_named.iterdir()} == named
        assert (cache.layout.live_named / "medium").resolve() == (made.live / "medium").resolve()
    (cache.layout.live_named / "medium").unlink()
    assert cache.mend()
    assert (cache.layout.live_named / "medium" / "jpg").is_dir()


def test_links_are_repaired_from_the_keys(tmp_path: Path) -> None:
    """Repair removes links of keys that do not exist, and makes missing ones."""
    links = KeyLinks(tmp_path / "by-key")
    links.keep(Key("z" * 26, "", 1), NOW)

    assert links.repair([ACTIVE, REVOKED, BOUND, EXPIRED], NOW) == 2
    assert {path.name for path in (tmp_path / "by-key").iterdir()} == {ACTIVE.name}
    assert links.repair([ACTIVE, REVOKED, BOUND, EXPIRED], NOW) == 0
