"""Breadcrumbs: which originals a process is decoding, kept where its death cannot lose them."""

import faulthandler
import fcntl
import itertools
import os
import re
import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from coverproxy.domain.original import Original

SLOTS = 64
"""Threads that can decode at once: render.threads has no higher limit."""

_SLOT_BYTES = 128
_TRACE_STARTS = SLOTS * _SLOT_BYTES
_CRUMB = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{32}) ([^\0\n]*)")
_CRASHED = re.compile(r"^Current thread 0x([0-9a-f]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An original that was being decoded: its digest, its identifier as text, and the thread."""

    digest: bytes
    of: str
    thread: int


@dataclass(frozen=True, slots=True)
class Left:
    """What a dead process left: what it was decoding, and the trace of its crash (kill -9 leaves none)."""

    crumbs: tuple[JournalEntry, ...]
    trace: str

    @property
    def crash(self) -> str:
        """The trace's first line: what the process died of."""
        return self.trace.strip().partition("\n")[0].rpartition(": ")[2]


def judged(left: Left, suspects: Collection[bytes]) -> dict[JournalEntry, str | None]:
    """Say of each crumb why its original is to be quarantined; None: it is no more than suspected.

    A crash in a thread that was decoding is its original's doing, and of no other's. libvips decodes in
    threads of its own, which a trace cannot name: then it was the only one. All else (kill -9, the OOM
    killer, a crash elsewhere) is a suspicion, and the second one in a row is enough.
    """
    found = _CRASHED.search(left.trace)
    thread = int(found[1], 16) if found else None
    guilty = [crumb for crumb in left.crumbs if crumb.thread == thread]
    if left.trace and thread is None and len(left.crumbs) == 1:
        guilty = list(left.crumbs)
    if guilty:
        return dict.fromkeys(guilty, left.crash)
    again = "the second process in a row ended while decoding it (out of memory?)"
    return {crumb: again if crumb.digest in suspects else None for crumb in left.crumbs}


class CrashJournal:
    """The crumbs of this process, in a file of its own: a slot per thread, and behind them the crash's trace.

    No fsync: the file has to survive the process, not the machine. The process holds a lock on it, which the
    kernel frees at its death, so that no process id has to be trusted: in containers they come again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._handle = -1
        self._slots = itertools.count()
        self._local = threading.local()

    def open(self) -> None:
        """Make this process's file. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        while self._handle < 0:
            handle = os.open(self._folder / self._name, flags, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                self._handle = handle
            else:  # between the two calls, somebody took it for a dead process's
                os.close(handle)
        os.ftruncate(self._handle, _TRACE_STARTS)
        with suppress(OSError):  # its blocks now: later the disk may be full
            os.posix_fallocate(self._handle, 0, _TRACE_STARTS)
        os.lseek(self._handle, 0, os.SEEK_END)

    def trace_crashes(self) -> None:
        """Have a crash of this process (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL) leave its trace here.

        For a process that does nothing else: the handlers are the process's. A stack overflow leaves no
        trace, as only the main thread has a second stack.
        """
        faulthandler.enable(file=self._handle)

    @contextmanager
    def dropped(self, original: Original) -> Iterator[None]:
        """Leave a crumb for as long as *original* is being decoded by this thread."""
        place = self._slot() * _SLOT_BYTES
        text = f"{threading.get_ident():016x} {original.digest.hex()} {original.identifier}"
        self._write(text.encode()[: _SLOT_BYTES - 1].ljust(_SLOT_BYTES - 1, b"\0") + b"\n", place)
        try:
            yield
        finally:
            self._write(b"\0", place)

    def _write(self, text: bytes, place: int) -> None:
        with suppress(OSError):  # a disk that is gone: a cover without a crumb is better than none
            os.pwrite(self._handle, text, place)

    def _slot(self) -> int:
        slot: int | None = getattr(self._local, "slot", None)
        if slot is None:
            slot = self._local.slot = next(self._slots) % SLOTS
        return slot

    def accuse(self, thread: int, what: str) -> None:
        """Write a trace by hand: *what* is told of the original that *thread* is decoding."""
        os.write(self._handle, f"Fatal: {what}\n\nCurrent thread 0x{thread:016x}\n".encode())

    def look_back(self, judge: Callable[[Left], None], digest: bytes = b"") -> bool:
        """Give *judge* what each dead process left, once among all processes; it stays if *judge* fails.

        Says whether another process that is alive, or not quite dead yet, is decoding the original *digest*.
        """
        is_elsewhere = False
        for name in os.listdir(self._folder):  # noqa: PTH208 - before every render: half of iterdir's time
            if name != self._name:
                is_elsewhere |= self._look_at(f"{self._folder}/{name}", judge, digest)
        return is_elsewhere

    def _look_at(self, path: str, judge: Callable[[Left], None], digest: bytes) -> bool:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, IsADirectoryError):
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:  # else another was faster, and has judged it
                judge(_read(handle))
                os.unlink(path)  # noqa: PTH108 - likewise
        except BlockingIOError:  # its process lives
            return bool(digest) and _names(os.pread(handle, _TRACE_STARTS, 0), digest)
        finally:
            os.close(handle)
        return False

    def close(self) -> None:
        """Remove this process's file: what it was decoding is done."""
        if self._handle >= 0:
            (self._folder / self._name).unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def _names(slots: bytes, digest: bytes) -> bool:
    """Say whether one of the crumbs is of the original *digest*; one that was taken back begins with 0."""
    wanted, at = digest.hex().encode(), -1
    while (at := slots.find(wanted, at + 1)) >= 0:
        if slots[at - at % _SLOT_BYTES]:
            return True
    return False


def _read(handle: int) -> Left:
    body = os.pread(handle, 2 * _TRACE_STARTS, 0)
    slots = (body[start : start + _SLOT_BYTES] for start in range(0, _TRACE_STARTS, _SLOT_BYTES))
    found = (_CRUMB.match(slot.decode(errors="replace")) for slot in slots)
    crumbs = tuple(JournalEntry(bytes.fromhex(each[2]), each[3], int(each[1], 16)) for each in found if each)
    return Left(crumbs, body[_TRACE_STARTS:].decode(errors="replace"))
