"""A source that is a folder: a live tree of the operator's, which others fill and change as they like."""

import asyncio
import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

from coverproxy.domain.original import LATEST_DATE
from coverproxy.domain.spec import Identifier
from coverproxy.domain.url_template import PathTemplate
from coverproxy.sources.base import Answer, Fetched, NotThere, SourceUnavailable, Unchanged, Validators
from coverproxy.storage import bounded_read

_NO_SUCH_FILE = frozenset({errno.ENOENT, errno.ENOTDIR})


class FolderSource:
    """See Source. Looks at one path per ISBN and never lists the tree, however large it is.

    It has *threads* threads of its own: where a network mount hangs, they hang, not those that serve files;
    who waits longer than *seconds* is told so. A file over *most_bytes* counts as no cover.
    """

    def __init__(
        self, name: str, root: Path, template: PathTemplate, most_bytes: int, seconds: float, threads: int
    ) -> None:
        self.name = name
        self._root = root
        self._template = template
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"source-{name}")
        self._is_closed = False

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """See Source."""
        inner = self._template.fill(identifier)
        if inner is None:
            return NotThere("it has no ISBN-10, which this source goes by")
        if self._is_closed:
            raise SourceUnavailable("closed")
        looking = asyncio.get_running_loop().run_in_executor(
            self._threads, look, self._root, inner, self._most_bytes, known
        )
        try:
            return await asyncio.wait_for(looking, self._seconds)
        except TimeoutError:
            raise SourceUnavailable("timeout", f"the folder did not answer in {self._seconds:g} s") from None

    async def aclose(self) -> None:
        """See Source. Does not wait for threads that hang."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


def look(root: Path, inner: str, most_bytes: int, known: Validators | None) -> Answer:
    """Read the file *inner* below *root*. Blocks on the disk. Raises SourceUnavailable."""
    try:
        path = _within(root, inner)
        return _read(path, most_bytes, known)
    except OSError as exc:
        if exc.errno not in _NO_SUCH_FILE:
            raise SourceUnavailable("unreadable", exc.strerror or str(exc)) from None
    _check_is_there(root)
    return NotThere("no such file")


def _within(root: Path, inner: str) -> Path:
    """Return the file's own path, all links followed.

    Raises OSError; SourceUnavailable where a link leads out.

    The root is resolved each time: it may be a link that is moved to the next delivery. Between this and
    the opening somebody could swap a folder for a link; but who can write into the tree gives us pictures
    as it is.
    """
    path = Path(os.path.realpath(root / inner, strict=True))  # Path.resolve() has a RuntimeError for loops
    if not path.is_relative_to(os.path.realpath(root, strict=True)):
        raise SourceUnavailable("outside", "a symbolic link leads out of the folder")
    return path


def _read(path: Path, most_bytes: int, known: Validators | None) -> Answer:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return NotThere("what is there is no file")
    if _is_known(status, known):
        return Unchanged()
    if status.st_size > most_bytes:
        return NotThere(f"more than {most_bytes} bytes")
    body, status = bounded_read.read(path, most_bytes + 1)
    if len(body) != status.st_size:
        raise SourceUnavailable("cut", "the file changed while it was read")
    if not body:
        return NotThere("0 bytes")
    return Fetched(body, _validators(status), min(max(int(status.st_mtime), 0), LATEST_DATE - 1))


def _check_is_there(root: Path) -> None:
    """Raise SourceUnavailable unless the root is a folder with something in it.

    A disk that is not mounted leaves either no folder or an empty one. Only the first entry is read.
    """
    try:
        with os.scandir(root) as entries:
            if next(entries, None) is not None:
                return
    except OSError as exc:
        raise SourceUnavailable("gone", f"the folder itself: {exc.strerror}") from None
    raise SourceUnavailable("gone", "the folder is empty, as where a disk is not mounted")


def _validators(status: os.stat_result) -> Validators:
    """Name a version of a file by its time and size, as web servers do, but by the nanosecond."""
    return Validators(f'"{status.st_mtime_ns:x}-{status.st_size:x}"', _http_date(status))


def _is_known(status: os.stat_result, known: Validators | None) -> bool:
    if known is None:
        return False
    if known.etag is not None:
        return known.etag == _validators(status).etag
    return known.modified is not None and known.modified == _http_date(status)


def _http_date(status: os.stat_result) -> str | None:
    """Write a file's time as Last-Modified has it, or None where no HTTP date has it (after 9999)."""
    try:
        return formatdate(status.st_mtime, usegmt=True)
    except (ValueError, OverflowError, OSError):
        return None
