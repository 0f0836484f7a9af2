"""Packs the covers of a list into a ZIP while it is being sent: one cover is in memory at a time."""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote

from coverproxy.accounts.visitor import Visitor
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import CoverError, NoCover, QuotaUsedUp, TooFast
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.spec import Reading, Wanted
from coverproxy.service.covers import Covers

MOST_BYTES = 256 * 2**20
MOST_SECONDS = 300.0
"""Longest time for packing: what is not in by then is left for the next time."""

MOST_FAILURES = 3
"""Covers that are not ready, one after another, before the rest is left for the next time."""

REPORT = "report.txt"


class Packed(StrEnum):
    """An item's result: in the ZIP, without a cover, over the quota, not ready, or left out."""

    IN = "in"
    NONE = "none"
    QUOTA = "quota"
    LATER = "later"


class Packing:
    """The ZIP of some items' covers in one size, as JPEG, made for one visitor.

    `report`: returns the text of the file that says what became of each item. `outcomes`: by item, so far.
    """

    def __init__(
        self,
        covers: Covers,
        items: Sequence[Identifier],
        size: str,
        visitor: Visitor,
        report: Callable[[dict[Identifier, Packed]], str],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._covers = covers
        self._items = items
        self._size = size
        self._visitor = visitor
        self._report = report
        self._most_bytes = most_bytes
        self.outcomes: dict[Identifier, Packed] = {}
        self._failures = 0

    @property
    def count(self) -> int:
        """How many covers are in the ZIP."""
        return sum(each is Packed.IN for each in self.outcomes.values())

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the ZIP, or nothing if there was no cover to pack.

        What exists costs no quota, so the rest is gone through when the quota is used up, too.
        """
        sink, sent, end = _Sink(), 0, time.monotonic() + MOST_SECONDS
        with zipfile.ZipFile(sink, "w") as archive:
            for item in self._items:
                found = None
                if sent < self._most_bytes and self._failures < MOST_FAILURES:
                    found = await self._cover(item, end)
                self.outcomes.setdefault(item, Packed.LATER)
                if found is not None:
                    archive.writestr(_member(item, found), found.body)
                    sent += len(sink.written)
                    yield sink.take()
            if self.count:
                archive.writestr(REPORT, self._report(self.outcomes))
        if self.count:
            yield sink.take()

    async def _cover(self, item: Identifier, end: float) -> Derivative | None:
        """Return the cover, or note why there is none. Waits where a program has to be slower."""
        wanted = Wanted(self._size, Reading((item,)), Format.JPEG)
        while time.monotonic() < end:
            try:
                found = await self._covers.cover(wanted, (Format.JPEG,), self._visitor)
            except TooFast as exc:
                await asyncio.sleep(max(exc.retry_after, 0.05))
                continue
            except CoverError as exc:
                self._note(item, exc)
                return None
            self.outcomes[item], self._failures = Packed.IN, 0
            return found.derivative
        return None

    def _note(self, item: Identifier, error: CoverError) -> None:
        if isinstance(error, NoCover):
            self.outcomes[item] = Packed.NONE
        elif isinstance(error, QuotaUsedUp):
            self.outcomes[item] = Packed.QUOTA
        else:
            self._failures += 1


class _Sink(io.RawIOBase):
    """A file that only keeps what was written since it was last taken; it cannot seek."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self.written += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        taken = bytes(self.written)
        self.written.clear()
        return taken


def _member(item: Identifier, cover: Derivative) -> zipfile.ZipInfo:
    moment = datetime.fromtimestamp(cover.mtime, UTC)
    year = max(moment.year, 1980)  # a ZIP knows none before
    return zipfile.ZipInfo(name_of(item), (year, *moment.timetuple()[1:6]))


def name_of(item: Identifier) -> str:
    """Return a cover's file name, as the fetch command has it: 9780141439518.jpg, oclc=12345.jpg."""
    plain = quote(item.value, safe="")
    return f"{plain}.jpg" if item.scheme == ISBN else f"{quote(item.scheme, safe='')}={plain}.jpg"
