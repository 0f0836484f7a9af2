"""Names that appear whole or not at all, and leftovers that go."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coverproxy.storage import atomic


def test_temporary_names_are_nobody_elses(tmp_path: Path) -> None:
    """A temporary name lies in its folder, starts with our process id and never comes twice."""
    names = {atomic.temporary(tmp_path) for _ in range(100)}

    assert len(names) == 100
    assert all(name.parent == tmp_path and name.name.startswith(f"{os.getpid()}-") for name in names)


@pytest.mark.parametrize("sync", [False, True])
def test_write_keeps_bytes_and_time(tmp_path: Path, sync: bool) -> None:
    """A file has the bytes and the time that it was given."""
    path = tmp_path / "cover"
    atomic.write(path, b"x" * 100_000, mtime=1_226_617_761, sync=sync)

    assert path.read_bytes() == b"x" * 100_000
    assert path.stat().st_mtime_ns == 1_226_617_761 * 10**9


def test_all_that_is_written_is_flushed(tmp_path: Path) -> None:
    """By the one file system's call, as strace shows: other disks are left alone. A folder that is not there
    is told."""
    with pytest.raises(FileNotFoundError):
        atomic.sync_all(tmp_path / "missing")
    if not (strace := shutil.which("strace")):
        pytest.skip("strace is not installed")
    script = "import sys; from coverproxy.storage import atomic; atomic.sync_all(sys.argv[1])"
    told = tmp_path / "calls"
    command = [
        strace,
        "-f",
        "-e",
        "trace=sync,syncfs",
        "-o",
        str(told),
        sys.executable,
        "-c",
        script,
        str(tmp_path),
    ]
    traced = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in traced.stderr.lower():
        pytest.skip("this machine forbids to trace")
    assert (traced.returncode, traced.stderr) == (0, "")
    calls = [line.split()[1].partition("(")[0] for line in told.read_text().splitlines() if "(" in line]
    assert calls == ["syncfs"]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    """Nothing to write still makes the file."""
    atomic.write(tmp_path / "empty", b"")

    assert (tmp_path / "empty").read_bytes() == b""


def test_everyone_may_read_what_is_written(tmp_path: Path) -> None:
    """Under the usual umask a file is readable by all: the web server runs as another user."""
    before = os.umask(0o022)
    try:
        atomic.write(tmp_path / "cover", b"x")
    finally:
        os.umask(before)

    assert (tmp_path / "cover").stat().st_mode & 0o777 == 0o644


def test_write_never_overwrites(tmp_path: Path) -> None:
    """A name that is taken is left as it is."""
    path = tmp_path / "cover"
    path.write_bytes(b"first")

    with pytest.raises(FileExistsError):
        atomic.write(path, b"second")

    assert path.read_bytes() == b"first"


def test_write_follows_no_link(tmp_path: Path) -> None:
    """A symlink under the name is not written through, not even one that points nowhere."""
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(FileExistsError):
        atomic.write(tmp_path / "link", b"x")

    assert not (tmp_path / "target").exists()


def open_files() -> int:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not show open files in /proc")
    return sum(1 for _ in descriptors.iterdir())


def test_write_leaves_no_file_open(tmp_path: Path) -> None:
    """Written or failed, no descriptor stays open."""
    before = open_files()
    for name in "abc":
        atomic.write(tmp_path / name, b"x")
        with pytest.raises(OverflowError):
            atomic.write(tmp_path / f"{name}2", b"x", mtime=2**80)

    assert open_files() == before


@pytest.mark.parametrize("sync", [False, True])
def test_move_makes_folders_and_replaces(tmp_path: Path, sync: bool) -> None:
    """A move makes the folders it needs, replaces what has the name, and takes the old name away."""
    for body in (b"one", b"two"):
        atomic.write(tmp_path / "tmp", body)
        atomic.move(tmp_path / "tmp", tmp_path / "a" / "b" / "cover", sync=sync)

        assert (tmp_path / "a" / "b" / "cover").read_bytes() == body
        assert not (tmp_path / "tmp").exists()


def test_move_tells_how_many_folders_it_made(tmp_path: Path) -> None:
    """Each folder takes room on disk: a move that makes two says so, the next into the same makes none."""
    made = []
    for name in ("one", "two"):
        atomic.write(tmp_path / "tmp", b"x")
        made.append(atomic.move(tmp_path / "tmp", tmp_path / "a" / "b" / name))

    assert made == [2, 0]


def test_a_second_name_is_the_same_file(tmp_path: Path) -> None:
    """A second name is a hard link, replaces what had it, and leaves nothing beside it."""
    (tmp_path / "cover").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"old")
    (tmp_path / "tmp").mkdir()
    atomic.second_name(tmp_path / "cover", tmp_path / "other", tmp_path / "tmp")

    assert (tmp_path / "other").samefile(tmp_path / "cover")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_move_keeps_the_file(tmp_path: Path) -> None:
    """A move is a rename of the same file, never a copy."""
    atomic.write(tmp_path / "tmp", b"x")
    inode = (tmp_path / "tmp").stat().st_ino
    atomic.move(tmp_path / "tmp", tmp_path / "cover")

    assert (tmp_path / "cover").stat().st_ino == inode


def test_moving_nothing_is_an_error(tmp_path: Path) -> None:
    """A source that is gone is told, and what has the name stays."""
    (tmp_path / "cover").write_bytes(b"old")

    with pytest.raises(FileNotFoundError):
        atomic.move(tmp_path / "gone", tmp_path / "cover")

    assert (tmp_path / "cover").read_bytes() == b"old"


def test_a_link_is_made_and_swapped(tmp_path: Path) -> None:
    """A link points where it was last told to, and leaves nothing beside it."""
    for target in ("../img/1", "../img/1", "../img/2"):
        atomic.link(target, tmp_path / "live")

        assert (tmp_path / "live").readlink() == Path(target)
    assert [path.name for path in tmp_path.iterdir()] == ["live"]


def test_a_link_that_stands_is_left_alone(tmp_path: Path) -> None:
    """The same link is not made anew: a start with the same settings changes nothing on disk."""
    atomic.link("../img/1", tmp_path / "live")
    inode = (tmp_path / "live").lstat().st_ino
    atomic.link("../img/1", tmp_path / "live")

    assert (tmp_path / "live").lstat().st_ino == inode


def test_a_link_is_never_missing(tmp_path: Path) -> None:
    """While a link is swapped a thousand times, a reader always finds one of its two targets."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link, done, seen = tmp_path / "live", threading.Event(), set()
    atomic.link("one", link)

    def look() -> None:
        while not done.is_set():
            seen.add(link.resolve(strict=True).name if link.exists() else "missing")

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(1000):
        atomic.link(("two", "one")[turn % 2], link)
    done.set()
    reader.join()

    assert seen <= {"one", "two"}


def dead_process() -> int:
    """The id of a process that has ended."""
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    return int(ended.stdout)


def test_a_sweep_takes_what_the_dead_left(tmp_path: Path) -> None:
    """Files of processes that ended go; those of processes that live, ours among them, stay."""
    ours = atomic.temporary(tmp_path)
    parents = tmp_path / f"{os.getppid()}-aa"
    dead = tmp_path / f"{dead_process()}-aa"
    for path in (ours, parents, dead):
        path.write_bytes(b"torn")

    assert atomic.sweep(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted([ours, parents])


def test_a_sweep_takes_what_a_zombie_left(tmp_path: Path) -> None:
    """A process whose parent never asks for its end is dead all the same."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        (tmp_path / f"{process.pid}-aa").write_bytes(b"torn")

        assert atomic.sweep(tmp_path) == 1


@pytest.mark.parametrize(
    "name", ["stray", "-", ".hidden", "x-1", "9" * 30 + "-aa", "20260102030405-aa", "²-a"]
)
def test_a_sweep_takes_strays(tmp_path: Path, name: str) -> None:
    """A file with a name that no process of ours gave goes too, and never stops a start."""
    (tmp_path / name).write_bytes(b"?")

    assert atomic.sweep(tmp_path) == 1
    assert [*tmp_path.iterdir()] == []


def test_a_sweep_of_nothing(tmp_path: Path) -> None:
    """An empty folder is swept in no time."""
    assert atomic.sweep(tmp_path) == 0


def test_a_second_name_takes_the_place_of_an_older_file(tmp_path: Path) -> None:
    """A name in a folder that is missing, and one that another file has, both lead to the same bytes."""
    file, fresh, taken = tmp_path / "file", tmp_path / "a" / "b" / "fresh", tmp_path / "taken"
    file.write_bytes(b"new")
    taken.write_bytes(b"old")

    made = [atomic.second_name(file, name, tmp_path) for name in (fresh, taken)]

    assert made == [2, 0]
    assert fresh.stat().st_ino == taken.stat().st_ino == file.stat().st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file", "taken"]


def test_an_attribute_is_written_with_the_file(tmp_path: Path) -> None:
    """What is to be noted of a file stands in its extended attributes once it is written."""
    path = tmp_path / "cover"
    stat = atomic.write(path, b"x" * 10, attribute=("user.coverproxy.test", b"2x3"))

    assert stat.st_size == 10
    assert os.getxattr(path, "user.coverproxy.test") == b"2x3"
