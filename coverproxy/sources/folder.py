"""A source that is a folder: a live tree of the operator's, filled and changed by others."""

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
    """See Source. Reads one path per ISBN and never lists the tree, whatever its size.

    It has *threads* threads of its own: if a network mount hangs, they hang, not those that serve files. A
    request that takes longer than *seconds* fails. A file over *most_bytes* counts as no cover.
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
            return NotThere("it has no ISBN of the form that this source needs")
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
        """See Source. Does not wait for hanging threads."""
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
    """Return the file's real path, with all links followed.

    Raises OSError; SourceUnavailable if a link leads outside.

    The root is resolved each time: it may be a link that moves to the next delivery. Between this and the
    opening, somebody could swap a folder for a link; but those who can write into the tree can give us any
    picture anyway.
    """
    path = Path(os.path.realpath(root / inner, strict=True))  # Path.resolve() has a RuntimeError for loops
    if not path.is_relative_to(os.path.realpath(root, strict=True)):
        raise SourceUnavailable("outside", "a symbolic link leads out of the folder")
    return path


def _read(path: Path, most_bytes: int, known: Validators | None) -> Answer:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return NotThere("not a regular file")
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

    An unmounted disk leaves no folder or an empty one. Only the first entry is read.
    """
    try:
        with os.scandir(root) as entries:
            if next(entries, None) is not None:
                return
    except OSError as exc:
        raise SourceUnavailable("gone", f"the folder itself: {exc.strerror}") from None
    raise SourceUnavailable("gone", "the folder is empty, as if its disk is not mounted")


def _validators(status: os.stat_result) -> Validators:
    """Return validators from a file's time and size, as web servers do, but to the nanosecond."""
    return Validators(f'"{status.st_mtime_ns:x}-{status.st_size:x}"', _http_date(status))


def _is_known(status: os.stat_result, known: Validators | None) -> bool:
    if known is None:
        return False
    if known.etag is not None:
        return known.etag == _validators(status).etag
    return known.modified is not None and known.modified == _http_date(status)


def _http_date(status: os.stat_result) -> str | None:
    """Format a file's time as Last-Modified, or None if HTTP dates cannot express it (after 9999)."""
    try:
        return formatdate(status.st_mtime, usegmt=True)
    except (ValueError, OverflowError, OSError):
        return None
