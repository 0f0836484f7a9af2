"""Checks every derivative on disk: whether it is complete and has all its names."""

import errno
import os
from collections import Counter
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from coverproxy.cache.budget import DiskBudget
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import WalkedFile, derivatives, shards
from coverproxy.domain import schemes
from coverproxy.domain.formats import dimensions
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.storage import atomic


class VerifyFinding(Enum):
    """The result of checking one derivative."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    """Truncated, empty, or not a picture: removed under both spellings; made again on request."""

    MENDED = "mended"
    """Complete, but its other spelling was missing or another file: linked again."""


class Verifier:
    """Checks derivatives, and repairs what it can. Blocks; safe beside a running service."""

    def __init__(self, layout: Layout, room: DiskBudget) -> None:
        self._layout = layout
        self._room = room
        self._has_links = True

    def run(self, on_file: Callable[[WalkedFile, VerifyFinding], None]) -> Counter[VerifyFinding]:
        """Check every derivative; calls *on_file* for each."""
        findings: Counter[VerifyFinding] = Counter()
        for shard in shards(self._layout):
            for each in derivatives(shard):
                finding = self._look(each)
                if finding:
                    findings[finding] += 1
                    on_file(each, finding)
        return findings

    def _look(self, each: WalkedFile) -> VerifyFinding | None:
        """Check one; None if it went meanwhile."""
        try:
            body = _read(each.path)
        except FileNotFoundError:
            return None
        if dimensions(body, each.form) is None:
            self._room.adjust(-each.remove())
            return VerifyFinding.DAMAGED
        return VerifyFinding.MENDED if self._mend(each) else VerifyFinding.WHOLE

    def _mend(self, each: WalkedFile) -> bool:
        """Repair a derivative's second spelling if it is missing or another file; return whether it was."""
        path = Path(each.path)
        for spelling in _others(each.shard.scheme, path.stem):
            other = path.with_name(spelling + path.suffix)
            try:
                if other.samefile(path):
                    continue
            except FileNotFoundError:
                pass  # one of them is gone; if it is ours, linking fails too
            return self._link(path, other)
        return False

    def _link(self, path: Path, other: Path) -> bool:
        if not self._has_links:
            return False
        try:
            atomic.second_name(path, other, self._layout.temporary)
        except FileNotFoundError:  # evicted meanwhile
            return False
        except PermissionError as exc:
            if exc.errno != errno.EPERM:
                raise
            self._has_links = False  # no hard links here
            return False
        return True


def _others(scheme: str, stem: str) -> tuple[str, ...]:
    is_isbn13 = scheme == ISBN and len(stem) == 13 and stem.isdecimal()
    return schemes.stems(Identifier(ISBN, stem))[1:] if is_isbn13 else ()


def _read(path: str) -> bytes:
    """Read a file without updating its atime: else a check of all would destroy their order."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # only the file's owner may
        handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        return file.read()
