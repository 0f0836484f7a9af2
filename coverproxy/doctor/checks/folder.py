"""The data folder: checks its permissions, its mount, and its free space."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from coverproxy.cache.last_use import LastUse, of_folder
from coverproxy.cache.layout import Layout
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.counted import counted
from coverproxy.storage import atomic, full_disk
from coverproxy.storage.ownership import user_name

DATA, OWNERS, LINKS, MOVES, SPACE, INODES, ATIME = (
    "data folder", "owners", "file system", "moves", "free space", "inodes", "access times"
)  # fmt: skip

MOST_LOOKED_AT = 20_000
"""Files checked for their owner in each part of the data folder: takes a second or two."""

LEAST_FREE_BYTES = 268_435_456
"""With less, databases may soon fail to grow, not only the cache."""

LEAST_INODES, FEW_INODES = 10_000, 200_000
"""A cover takes one inode per size and format, plus some for folders: 200,000 are 50,000 books."""

_WRITABLE = "make the user that runs the service its owner (chown -R), and run the doctor as that user"


def look(data: Path, layout: Layout, min_free_bytes: int) -> Iterator[Finding]:
    """Check the folder, or the existing folder that it will be created in."""
    there = _nearest(data.absolute())
    if not there.is_dir():
        advice = "move that file away, or choose another folder: --data DIR, or data.dir in the config"
        yield problem(DATA, f"{there} is a file, not a folder", advice)
        return
    if there != data.absolute():
        advice = "coverproxy import FOLDER creates it; if it exists elsewhere, name it: --data DIR, data.dir"
        yield warning(DATA, f"{data} does not exist yet; checked {there} instead", advice)
    for folder in _parts(data, layout) or [there]:
        yield from _writes(folder)
    yield from _owners(data, layout)
    yield from _moves(layout)
    yield from _room(there, min_free_bytes)
    covers = layout.top if layout.top.is_dir() else there
    yield access_times(covers, of_folder(covers))


def _nearest(path: Path) -> Path:
    """Return the path, or its lowest existing parent."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _parts(data: Path, layout: Layout) -> list[Path]:
    """Return the existing folders that are written to; each may be a separate mount."""
    return [path for path in (data, data / "originals", layout.top) if path.is_dir()]


def _writes(folder: Path) -> Iterator[Finding]:
    """Do in a folder what the service does: write, rename, link, set attributes."""
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=folder) as made:
            written = Path(made, "written")
            atomic.write(written, b"coverproxy", sync=True)
            atomic.move(written, Path(made, "moved"))
            yield fine(DATA, f"{folder} can be written")
            yield from _links(folder, Path(made, "moved"))
    except OSError as exc:
        advice = (full_disk.lack(folder) if exc.errno == errno.ENOSPC else "") or _WRITABLE
        yield problem(DATA, f"{folder} cannot be written: {exc.strerror or exc}", advice)


def _links(folder: Path, file: Path) -> Iterator[Finding]:
    """Try features that some file systems lack."""
    lacks = False
    for act, what, lost in (
        (_symlink, "symbolic links", "nginx cannot look up keys and sizes"),
        (_hard_link, "hard links", "nginx serves only ISBN-13 URLs; those with ISBN-10 go through the app"),
        (_attribute, "extended attributes", "every hit looks up its original's size in the catalogue"),
    ):
        try:
            act(file)
        except OSError as exc:
            lacks = True
            found = f"{folder}: no {what} ({exc.strerror}): {lost}"
            advice = "put the data folder on a file system like ext4, XFS or Btrfs"
            yield problem(LINKS, found, advice) if act is _symlink else warning(LINKS, found, advice)
    if not lacks:
        yield fine(LINKS, f"{folder}: hard and symbolic links, extended attributes")


def _owners(data: Path, layout: Layout) -> Iterator[Finding]:
    """Find files of another user than the data folder's owner: the service cannot replace or remove them.

    Bounded: checks the first files and folders of each part.
    """
    if not data.is_dir():
        return
    parts = (data / "originals", layout.images, layout.temporary, layout.live, layout.by_key, layout.locks)
    walks = (_entries(data, deep=False), *(_entries(part, deep=True) for part in parts))
    owner, checked = data.stat().st_uid, 0
    foreign: list[tuple[Path, int]] = []
    for path, status in chain.from_iterable(islice(walk, MOST_LOOKED_AT) for walk in walks):
        checked += 1
        if status.st_uid != owner and len(foreign) < MOST_LOOKED_AT:
            foreign.append((path, status.st_uid))
    yield _owned(data, user_name(owner), checked, foreign, is_ours=owner == os.geteuid())


def _owned(data: Path, name: str, checked: int, foreign: list[tuple[Path, int]], *, is_ours: bool) -> Finding:
    """Judge the files checked; *name* has the data folder, *foreign* are the files that others have."""
    if foreign:
        path, uid = foreign[0]
        told = (
            f"of {counted(checked, 'file')} checked, {counted(len(foreign), 'does', 'do')} not belong to"
            f" {name}, such as {path}, which belongs to {user_name(uid)}"
        )
        return problem(OWNERS, told, f"make one user the owner of all: chown -R {name}: {data.absolute()}")
    if not is_ours:
        told = f"{data} belongs to {name}, but the doctor runs as {user_name(os.geteuid())}"
        advice = f"run the doctor as the user that runs the service: sudo -u {name} coverproxy doctor"
        return warning(OWNERS, told, advice)
    return fine(OWNERS, f"{counted(checked, 'file')} checked, and each belongs to {name}")


def _entries(folder: Path, *, deep: bool) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield a folder and its contents, as far as they are readable."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            yield at, at.lstat()
            inside = list(islice(os.scandir(at), MOST_LOOKED_AT))
        except OSError:
            continue
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    waiting.append(Path(entry.path))
            else:
                with suppress(OSError):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _symlink(file: Path) -> None:
    (file.parent / "symlink").symlink_to(file.name)


def _hard_link(file: Path) -> None:
    os.link(file, file.parent / "link")


def _attribute(file: Path) -> None:
    if hasattr(os, "setxattr"):  # Linux
        os.setxattr(file, "user.coverproxy.doctor", b"1")


def _moves(layout: Layout) -> Iterator[Finding]:
    """Rename a file from the temporary to the final folder: a mount in between would prevent that."""
    source, target = layout.temporary, layout.images
    if not (source.is_dir() and target.is_dir()):
        return
    written, moved = atomic.temporary(source), target / atomic.temporary(source).name
    try:
        atomic.write(written, b"")
        atomic.move(written, moved)
    except OSError as exc:
        found = f"files cannot be moved from {source} to {target}: {exc.strerror}"
        yield problem(MOVES, found, f"all of {layout.top} must be one file system, without mounts inside")
    else:
        yield fine(MOVES, f"{source} and {target} are on one file system")
    finally:
        written.unlink(missing_ok=True)
        moved.unlink(missing_ok=True)


def _room(folder: Path, min_free_bytes: int) -> Iterator[Finding]:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    told = f"{free / 1e9:.1f} GB free on the disk of {folder}"
    if free < LEAST_FREE_BYTES:
        yield problem(SPACE, told, "free space: cache/ can be deleted at any time; it is made again")
    elif free < min_free_bytes:
        advice = "free space, or lower cache.min_free_bytes or cache.max_bytes: covers are not stored now"
        yield warning(SPACE, f"{told}, less than cache.min_free_bytes", advice)
    else:
        yield fine(SPACE, told)
    yield from _inodes(found)


def _inodes(found: os.statvfs_result) -> Iterator[Finding]:
    if not found.f_files:  # Btrfs and others make them on demand
        return
    told = f"{found.f_favail:,} of {found.f_files:,} free"
    advice = "see df -i; each file takes one: delete old files, or use a file system with more (XFS)"
    if found.f_favail < LEAST_INODES:
        yield problem(INODES, told, advice)
    elif found.f_favail < FEW_INODES:
        yield warning(INODES, told, advice)
    else:
        yield fine(INODES, told)


def access_times(folder: Path, known: LastUse) -> Finding:
    """Judge whether access times of files in *folder* are kept."""
    if known is LastUse.ATIME:
        return fine(ATIME, "kept: the least recently used covers are evicted first")
    return warning(
        ATIME,
        f"{folder} is mounted noatime: the oldest covers are evicted first, however often they are used",
        f"`findmnt -T {folder}` shows the mount; mount -o remount,relatime MOUNT, and relatime in /etc/fstab",
    )


def closed_to_others(folder: Path) -> Path | None:
    """Return the first folder on the path to *folder* that other users cannot enter, or None."""
    way = folder.resolve()
    for path in (*reversed(way.parents), way):
        if path.is_dir() and not path.stat().st_mode & stat.S_IXOTH:
            return path
    return None
