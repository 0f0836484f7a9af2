"""A cache of layout v1 is taken over: nothing is lost, made again or mixed up."""

import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import caches
import pytest

from coverproxy.cache.disk import DiskCache
from coverproxy.cache.janitor import take_over
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import Stopped, WalkPace
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec

JPEG = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c801011100ffd9")
WEBP = b"RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xc7\xc0\x4a\x00\x00"
BOOKS = ("9780545010221", "9780141439518", "9791026900948")
PRESENT = {(size, form): f"{size}-{form.value}" for size in ("small", "medium") for form in Format}
FORMER = {("medium", "aaaaaaaaaa"): {form: f"medium-{form.value}" for form in Format}}


def spec(isbn13: str, size: str = "medium", form: Format = Format.JPEG) -> Spec:
    return Spec(Identifier("isbn", isbn13), size, form)


def lay(root: Path) -> None:
    """A cache as c60cc92 left it: a present revision, an older one, and the folders beside them."""
    for isbn13 in BOOKS:
        caches.lay_former(caches.former_file(root, "medium", "aaaaaaaaaa", isbn13, "jpg"), JPEG, 1_000)
        caches.lay_former(caches.former_file(root, "medium", "aaaaaaaaaa", isbn13, "webp"), WEBP, 1_000)
        caches.lay_former(caches.former_file(root, "small", "bbbbbbbbbb", isbn13, "jpg"), JPEG, 2_000)
    for name in ("tmp", "locks", "live", "by-key"):
        (root / "v1" / name).mkdir()
    (root / "v1/live/medium").symlink_to("../img/aaaaaaaaaa/medium")
    (root / "v1/by-key/revoked-key").symlink_to("../live")
    (root / "v1/placeholder.gif").write_bytes(b"gif")


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    """A cache opened over one of layout v1."""
    lay(tmp_path)
    disk = DiskCache(Layout(tmp_path, PRESENT, FORMER))
    disk.open()
    return disk


def pace() -> WalkPace:
    return WalkPace(threading.Event())


def pictures(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.suffix in (".jpg", ".webp")}


def test_all_is_taken_over_by_renames(cache: DiskCache, tmp_path: Path) -> None:
    """Every name has its place in the present layout, as the same file; nothing stays behind."""
    inodes = {path.stat().st_ino for path in (tmp_path / "v1-taken-over/img").rglob("*.*")}
    assert take_over(cache.former, pace())

    medium = tmp_path / "v2/img/medium/jpg/medium-jpg/isbn/10/22"
    assert (medium / "9780545010221.jpg").samefile(medium / "0545010225.jpg")
    assert (medium / "9780545010221.jpg").stat().st_mtime == 1_000
    assert {path.stat().st_ino for path in (tmp_path / "v2/img").rglob("*.*")} == inodes
    assert len(pictures(tmp_path / "v2/img")) == 3 * (3 + 2)
    assert not (tmp_path / "v1-taken-over").exists()
    assert all(cache.find(spec(isbn13, form=form)) for isbn13 in BOOKS for form in (Format.JPEG, Format.WEBP))


def test_a_miss_looks_there_too(cache: DiskCache, tmp_path: Path) -> None:
    """Before the background work comes to it, a derivative that is asked for is found and has its length."""
    assert cache.length(spec(BOOKS[1])) == len(JPEG)
    found = cache.find(spec(BOOKS[0]))

    assert found
    assert (found.body, found.mtime) == (JPEG, 1_000)
    assert found.place == f"medium/jpg/medium-jpg/isbn/10/22/{BOOKS[0]}.jpg"
    assert (tmp_path / "v2/live/medium/jpg/isbn/10/22/0545010225.jpg").exists()


def test_older_settings_stay_older(cache: DiskCache) -> None:
    """What settings made that are no longer in force is not a hit, but is found as the older one."""
    assert cache.find(spec(BOOKS[0], "small")) is None
    older = cache.find_older(spec(BOOKS[0], "small"))

    assert older
    assert older.body == JPEG
    assert older.place == f"small/jpg/bbbbbbbbbb/isbn/10/22/{BOOKS[0]}.jpg"


def test_what_was_made_meanwhile_stays(cache: DiskCache) -> None:
    """A derivative made before the background work comes to its former one is not replaced by it."""
    newer = Derivative(JPEG, Format.JPEG, 5_000, (200, 300), None)
    cache.put(spec(BOOKS[0]), newer)
    take_over(cache.former, pace())

    found = cache.find(spec(BOOKS[0]))
    assert found
    assert found.mtime == 5_000


@pytest.mark.parametrize("is_done", [False, True])
def test_a_purge_reaches_the_former_cache(cache: DiskCache, is_done: bool) -> None:
    """A purged book comes back from nowhere, before and after it is taken over."""
    if is_done:
        take_over(cache.former, pace())
    gone = cache.purge(Identifier("isbn", BOOKS[0]))
    take_over(cache.former, pace())

    assert gone == 3  # files, each under two names
    assert cache.find(spec(BOOKS[0])) is None
    assert cache.find_older(spec(BOOKS[0], "small")) is None
    assert cache.find(spec(BOOKS[1]))


def test_the_former_place_leads_to_the_present_one(cache: DiskCache, tmp_path: Path) -> None:
    """A web server with the former configuration finds no key's link there, but the files the app names."""
    assert (tmp_path / "v1").readlink() == Path("v2")
    assert not (tmp_path / "v1/by-key/revoked-key").is_symlink()
    assert (tmp_path / "v1/placeholder.gif").read_bytes().startswith(b"GIF")


class Midway(WalkPace):
    """A pace that ends after a few steps, as a stop of the service does."""

    def __init__(self, steps: int) -> None:
        super().__init__(threading.Event())
        self.left = steps

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


def test_a_stop_midway_goes_on_next_time(cache: DiskCache, tmp_path: Path) -> None:
    """Stopped after any folder and opened again, it goes on; all is found throughout."""
    for _ in range(10):
        take_over(cache.former, Midway(1))
        cache = DiskCache(Layout(tmp_path, PRESENT, FORMER))
        cache.open()

    assert not cache.former.is_there
    assert all(cache.find(spec(isbn13)) for isbn13 in BOOKS)
    assert len(pictures(tmp_path / "v2/img")) == 15


KILLED = """
import os, signal, sys
from pathlib import Path
import test_former_layout as here
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.layout import Layout
root, calls, call = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
done, real = 0, getattr(os, call)
def dying(*args, **names):
    global done
    done += 1
    if done > calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **names)
cache = DiskCache(Layout(root, here.PRESENT, here.FORMER))
cache.open()
setattr(os, call, dying)
here.take_over(cache.former, here.pace())
"""


@pytest.mark.parametrize("call", ["link", "unlink"])
@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_kill_midway_loses_nothing(tmp_path: Path, call: str, calls: int) -> None:
    """Killed before any rename's first or second half, the next start finds and finishes everything."""
    lay(tmp_path)
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(calls), call],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == -9, child.stderr
    cache = DiskCache(Layout(tmp_path, PRESENT, FORMER))
    cache.open()

    assert all(cache.find(spec(isbn13)) for isbn13 in BOOKS)
    assert take_over(cache.former, pace())
    assert len(pictures(tmp_path / "v2/img")) == 15
    assert not cache.former.is_there


def test_a_folder_that_cannot_be_read_is_not_fatal(
    cache: DiskCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What stands in the way ends it with a line in the log, and what can be found is found all the same."""
    blocker = tmp_path / "v2/img/medium/jpg/medium-jpg/isbn"
    blocker.write_bytes(b"in the way")
    with caplog.at_level(logging.ERROR):
        assert not take_over(cache.former, pace())

    assert "cannot be adopted" in caplog.text
    assert cache.find(spec(BOOKS[0], form=Format.WEBP))
