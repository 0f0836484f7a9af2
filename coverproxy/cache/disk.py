"""Derivatives on disk: find, put, purge."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from coverproxy.cache.budget import UNBOUNDED, DiskBudget, allocated, to_blocks
from coverproxy.cache.equal_revisions import EqualRevisions
from coverproxy.cache.former_layout import FormerLayout
from coverproxy.cache.fresh import FreshFiles
from coverproxy.cache.layout import Layout, names
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import PLACEHOLDER, Format, dimensions
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.storage import atomic, cached_read, ownership
from coverproxy.storage.attempts import attempt_all
from coverproxy.storage.shared_counters import SharedCounters

_ORIGINAL = "user.coverproxy.original"
"""Extended attribute that stores the original's pixel size with a derivative, so a hit needs no database."""

_FOLDER_BYTES = 4096
_NEW_FOLDERS = 3
"""The first cover of a scheme and shard makes three folders, which take a block each on some file systems."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A derivative on disk. `format`: its file extension. `is_live`: made with the current settings."""

    path: Path
    stat: os.stat_result
    size: str
    format: str
    is_live: bool


class DiskCache:
    """The cache folder of one machine. Every method blocks on the disk; all are safe without a lock."""

    def __init__(self, layout: Layout, *, fsync: bool = False, room: DiskBudget | None = None) -> None:
        self.layout = layout
        self.room = room or DiskBudget(layout, UNBOUNDED)
        self.former = FormerLayout(layout)
        self._equal = EqualRevisions(layout)
        self._fresh = FreshFiles(layout.temporary, layout.fresh)
        self.purges = SharedCounters(layout.purges)
        self._fsync = fsync

    def open(self) -> int:
        """Make the folders, update the live links, sweep files of dead writers; return how many.

        Existing files are adopted by their path alone, so a million files take no longer.
        If one step fails, the others still run; then raises that OSError.
        """
        layout = self.layout
        steps: list[Callable[[], object]] = [
            *(
                partial(ownership.make_folder, folder)
                for folder in (layout.temporary, layout.locks, layout.live, layout.live_named, layout.by_key)
            ),
            self._fresh.make,
            self.former.set_aside,
            *(partial(self._equal.adopt, size, form) for size, form in layout.revisions),
            *(partial(self._make_live, size, form) for size, form in layout.revisions.keys() - layout.off),
            *(partial(layout.live_link(size, form).unlink, missing_ok=True) for size, form in layout.off),
            *(partial(self._make_alias, size, layout.live / alias) for alias, size in layout.aliases.items()),
            self._link_named,
            self._lay_placeholder,
            self.purges.read,  # created now, so that disk usage includes it
        ]
        attempt_all(steps)
        return self._fresh.sweep()

    def mend(self) -> bool:
        """Make anew what somebody deleted of the folders and links below which covers are found.

        Return whether anything was missing. A web server finds no cover without its link.
        """
        if self.layout.is_whole():
            return False
        self.open()
        return True

    def _make_live(self, size: str, form: Format) -> None:
        """Point the link of a size and format at its current revision, and touch that revision's folder."""
        folder, link = self.layout.folder(size, form), self.layout.live_link(size, form)
        ownership.make_folder(folder)
        try:
            os.utime(folder)
        except OSError as exc:  # it does not name the file
            raise OSError(exc.errno, exc.strerror, str(folder)) from None
        if link.parent.is_symlink():  # it was an alias: the links below it are another size's
            link.parent.unlink(missing_ok=True)
        ownership.make_folder(link.parent)
        atomic.link(f"../../img/{size}/{form.value}/{folder.name}", link)

    def _make_alias(self, size: str, alias: Path) -> None:
        """Have an alias lead to a size; if it was a size of its own until now, its links go."""
        if alias.is_dir() and not alias.is_symlink():
            for link in alias.iterdir():
                link.unlink(missing_ok=True)
            alias.rmdir()
        atomic.link(size, alias)

    def _link_named(self) -> None:
        """Have the folder of named sizes lead to exactly those; a size that is none any more goes first."""
        folder = self.layout.live_named
        for size in {link.name for link in folder.iterdir()} - self.layout.named:
            (folder / size).unlink(missing_ok=True)
        for size in self.layout.named:
            atomic.link(f"../live/{size}", folder / size)

    def _lay_placeholder(self) -> None:
        """Write the file that nginx answers with while the app is down."""
        if not self.layout.placeholder.exists():
            written = atomic.temporary(self.layout.temporary)
            atomic.write(written, PLACEHOLDER)
            atomic.move(written, self.layout.placeholder)

    def glance(self, spec: Spec) -> Derivative | None:
        """Return the derivative if that needs no disk, on the event loop too; None if it is not stored here.

        Raises BlockingIOError if find() has to tell: it is not in the kernel's memory, or not whole.
        """
        return self.glance_below(spec.size, spec.format, names(spec.identifier, spec.format)[0])

    def glance_below(self, size: str, form: Format, below: str) -> Derivative | None:
        """Do the same for a path below the folder of a size and format, as a web server spells it."""
        file = cached_read.read(f"{self.layout.folder_name(size, form)}/{below}", _ORIGINAL)
        if file is None:
            return None
        pixels = dimensions(file.body, form)
        if pixels is None:
            raise BlockingIOError("it is not whole")
        width, _, height = file.attribute.partition(b"x")
        original = (int(width), int(height)) if width.isdigit() and height.isdigit() else None
        place = f"{size}/{form.ending}/{self.layout.revisions[size, form]}/{below}"
        return Derivative(file.body, form, file.mtime, pixels, original, place)

    def find(self, spec: Spec) -> Derivative | None:
        """Return the derivative if it is stored here. A truncated file (after a machine crash) is removed."""
        paths = self.layout.path_names(spec)
        return self._whole(paths, spec) or (self._whole(paths, spec) if self._take_over(spec) else None)

    def _take_over(self, spec: Spec) -> bool:
        """Adopt a derivative of an earlier version; return whether there was one. May raise OSError."""
        return any([self.former.take_over(spec), self._equal.take_over(spec)])

    def find_older(self, spec: Spec) -> Derivative | None:
        """Return the latest derivative made with older settings; call find() first."""
        older = (self._whole(paths, spec) for paths in self.layout.older_paths(spec))
        return next(filter(None, older), None)

    def has_older(self, spec: Spec) -> bool:
        """Return whether an older revision has the derivative. Does not read it."""
        return any(paths[0].exists() for paths in self.layout.older_paths(spec))

    def may_have_other(self, spec: Spec) -> bool:
        """Return whether earlier settings or versions may have left it. At most lists a folder."""
        return (
            self.former.is_there
            or self._equal.is_there(spec.size, spec.format)
            or next(self.layout.older_paths(spec), None) is not None
        )

    def drop_older(self, spec: Spec) -> int:
        """Remove a derivative's older revisions; return how many names were removed."""
        return sum(self._drop(paths) for paths in list(self.layout.older_paths(spec)))

    def _whole(self, paths: Sequence[Path | str], spec: Spec) -> Derivative | None:
        found = read_stored(paths[0])
        if found is None:
            return None
        body, mtime, original = found
        size = dimensions(body, spec.format)
        if size is None:
            self._drop(map(Path, paths))
            return None
        place = self.layout.below_images(paths[0])
        return Derivative(body, spec.format, mtime, size, original, place)

    def length(self, spec: Spec) -> int | None:
        """Return the length of the derivative in bytes; None if it is not made. Does not read it."""
        name = self.layout.path_names(spec)[0]  # no Path: a list asks for thousands
        for _ in range(2):
            try:
                return os.stat(name).st_size  # noqa: PTH116
            except FileNotFoundError:
                if not self._take_over(spec):
                    break
        return None

    def put(self, spec: Spec, derivative: Derivative) -> None:
        """Store a derivative under every spelling. Each name appears complete or not at all.

        The canonical name comes last, so if it exists, the others do. Raises CacheFull if there is no space,
        or another OSError: then nothing new exists.
        """
        try:
            self._store(spec, derivative)
        except FileNotFoundError:  # someone may have deleted the whole cache: make its folders
            self.open()
            self._store(spec, derivative)

    def _store(self, spec: Spec, derivative: Derivative) -> None:
        taken = to_blocks(len(derivative.body)) + _NEW_FOLDERS * _FOLDER_BYTES
        self.room.take(taken)
        used = 0
        try:
            used = self._write(spec, derivative)
        finally:
            self.room.settle(taken, used)

    def _write(self, spec: Spec, derivative: Derivative) -> int:
        """Write a derivative and give it its names; return how many bytes that took on disk."""
        canonical, *others = self.layout.path_names(spec)
        written = self._fresh.name()
        original = (_ORIGINAL, b"%dx%d" % derivative.original) if derivative.original else None
        folders = 0
        try:
            stat = atomic.write(
                written, derivative.body, mtime=derivative.mtime, sync=self._fsync, attribute=original
            )
            used = max(allocated(stat), to_blocks(len(derivative.body)))
            for path in others:
                folders += self._link(written, path)
            folders += atomic.move(written, canonical, sync=self._fsync)
        except OSError:
            Path(written).unlink(missing_ok=True)
            raise
        return used + folders * _FOLDER_BYTES

    def _link(self, written: str, path: str) -> int:
        """Give *written* a second name; skipped on file systems without hard links."""
        try:
            return atomic.second_name(written, path, self.layout.temporary)
        except PermissionError as exc:
            if exc.errno != errno.EPERM:
                raise
            return 0  # no hard links here: the app serves both spellings from the one file

    def lead(self, name: Spec, item: Spec) -> None:
        """Have one item's other name lead to its derivative, if that is there. Raises OSError.

        A symlink, not a hard link: eviction or a new derivative under the item's own name then takes effect
        under all names.
        """
        target = self.layout.paths(item)[0]
        if not target.exists():
            return
        for path in self.layout.paths(name):
            ownership.make_folder(path.parent)
            atomic.link(os.path.relpath(target, path.parent), path)

    def empty(self) -> None:
        """Remove every derivative: which of them are out of date is no longer known."""
        aside = atomic.temporary(self.layout.temporary)
        with suppress(FileNotFoundError):
            self.layout.images.rename(aside)
        self.purges.add(1)
        self.open()
        shutil.rmtree(aside, ignore_errors=True)

    def probe(self) -> None:
        """Write a file and remove it. Raises OSError if the cache cannot be written, or is gone."""
        written = atomic.temporary(self.layout.temporary)
        try:
            atomic.write(written, bytes(_FOLDER_BYTES))
        finally:
            written.unlink(missing_ok=True)

    def purge(self, identifier: Identifier) -> int:
        """Remove every derivative of *identifier*, in all sizes, formats, spellings and revisions.

        Returns the number of files removed: an ISBN's two spellings are names of one. The caller holds the
        locks of flights that may be making one.
        """
        try:
            # MUST be in this order: a file adopted meanwhile leaves the first place before the second is
            # searched
            return self._drop(chain(self.former.paths(identifier), self.layout.every_path(identifier)))
        finally:
            # MUST come last: a reader that found a file before this read the counter before it, too.
            self.purges.add(1)

    def held(self, identifier: Identifier) -> Iterator[HeldFile]:
        """Yield every derivative of *identifier* on disk, once each."""
        with suppress(PermissionError):  # a read-only user sees what is adopted already
            for name, form in self.layout.revisions:
                self._take_over(Spec(identifier, name, form))
        seen: set[int] = set()
        for path in self.layout.every_path(identifier):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if stat.st_ino not in seen:  # the other spelling is the same file
                    seen.add(stat.st_ino)
                    size, ending, revision = path.relative_to(self.layout.images).parts[:3]
                    yield HeldFile(path, stat, size, ending, self.layout.is_valid(size, ending, revision))

    def _drop(self, paths: Iterable[Path]) -> int:
        """Remove the names that exist; return how many files they were. A file's last name frees its bytes.

        If one cannot be removed, removes the others, then raises OSError.
        """
        removed: set[int] = set()

        def remove(path: Path) -> None:
            with suppress(FileNotFoundError):
                stat = path.lstat()
                path.unlink()
                removed.add(stat.st_ino)
                self.room.adjust(-allocated(stat) if stat.st_nlink == 1 else 0)

        attempt_all(partial(remove, path) for path in paths)
        return len(removed)


def read_stored(path: Path | str) -> tuple[bytes, int, tuple[int, int] | None] | None:
    """Read the bytes, mtime and original's size of a file; None if it is missing or unreadable."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        stat = os.fstat(handle)
        return os.read(handle, stat.st_size), int(stat.st_mtime), _noted_original(handle)
    finally:
        os.close(handle)


def _noted_original(handle: int) -> tuple[int, int] | None:
    try:
        width, _, height = os.getxattr(handle, _ORIGINAL).partition(b"x")
        return int(width), int(height)
    except (OSError, ValueError):
        return None
