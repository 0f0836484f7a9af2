"""Where new derivatives are written before they get their names."""

import os
from collections import Counter
from pathlib import Path

import caches
import pytest

from coverproxy.cache.disk import DiskCache
from coverproxy.cache.fresh import FOLDERS, FreshFiles
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import PLACEHOLDER, Format
from coverproxy.domain.spec import ISBN, Identifier, Spec

SPEC = Spec(Identifier(ISBN, "9780141439556"), "medium", Format.JPEG)
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system that has no groups


@pytest.fixture
def fresh(tmp_path: Path) -> FreshFiles:
    """Folders below a temporary one, made."""
    (tmp_path / "tmp").mkdir()
    made = FreshFiles(tmp_path / "tmp", tmp_path / "fresh")
    made.make()
    return made


def is_spread(folder: Path) -> bool:
    """Whether the test's file system heeds the flag."""
    return (folder / "fresh").is_dir()


def test_names_are_spread_evenly(tmp_path: Path, fresh: FreshFiles) -> None:
    """Each folder gets as many new files as any other, and all names differ."""
    if not is_spread(tmp_path):
        pytest.skip("this file system has no groups")
    names = [Path(fresh.name()) for _ in range(3 * FOLDERS)]
    assert set(Counter(name.parent for name in names).values()) == {3}
    assert len({name.name for name in names}) == len(names)


def test_a_file_system_without_groups_gets_no_folders(tmp_path: Path) -> None:
    """Where the flag is not heeded there is the one folder of before, and nothing else is left."""
    if not IN_MEMORY.is_dir():
        pytest.skip("there is no tmpfs")
    plain = IN_MEMORY / f"coverproxy-test-{os.getpid()}"
    plain.mkdir()
    try:
        made = FreshFiles(plain, plain / "fresh")
        made.make()
        assert list(plain.iterdir()) == []
        assert Path(made.name()).parent == plain
    finally:
        plain.rmdir()


def test_folders_that_cannot_be_made_are_done_without(tmp_path: Path) -> None:
    """If something is in their place, or the disk is full, new files are written as before."""
    (tmp_path / "fresh").write_bytes(b"")
    made = FreshFiles(tmp_path / "tmp", tmp_path / "fresh")
    made.make()
    assert Path(made.name()).parent == tmp_path / "tmp"


def test_files_of_dead_writers_are_swept_everywhere(tmp_path: Path, fresh: FreshFiles) -> None:
    """What a killed process left goes, in the folder of earlier versions too; a living one's stays."""
    folders = [tmp_path / "tmp", *(tmp_path / "fresh").glob("*")]
    for folder in folders:
        (folder / "4194999-aa").write_bytes(b"torn")
        (folder / f"{os.getpid()}-bb").write_bytes(b"being written")
    assert fresh.sweep() == len(folders)
    assert all([path.name for path in folder.iterdir()] == [f"{os.getpid()}-bb"] for folder in folders)


def test_derivatives_are_written_there(tmp_path: Path) -> None:
    """A cover gets its names out of these folders, and leaves nothing in them."""
    cache = DiskCache(caches.layout(tmp_path, {"medium": "a"}))
    cache.open()
    cache.put(SPEC, Derivative(PLACEHOLDER, Format.JPEG, 1, (1, 1), (2, 2)))
    assert all(path.stat().st_nlink == 2 for path in cache.layout.paths(SPEC))
    folders = [cache.layout.temporary, *cache.layout.fresh.glob("*")]
    assert [path for folder in folders for path in folder.iterdir()] == []


@pytest.mark.parametrize("is_gone", ["one", "all"])
def test_deleted_folders_cost_no_cover(tmp_path: Path, is_gone: str) -> None:
    """If somebody deletes the folders, or some, while the service runs, covers are stored all the same."""
    cache = DiskCache(caches.layout(tmp_path, {"medium": "a"}))
    cache.open()
    for folder in list(cache.layout.fresh.glob("*"))[: 1 if is_gone == "one" else None]:
        folder.rmdir()
    for number in range(FOLDERS):
        spec = Spec(Identifier(ISBN, f"97801414395{number:02}"), "medium", Format.JPEG)
        cache.put(spec, Derivative(PLACEHOLDER, Format.JPEG, 1, (1, 1), (2, 2)))
        assert cache.length(spec) == len(PLACEHOLDER)
