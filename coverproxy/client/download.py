"""Downloads the covers for a list of ISBNs into a folder, within the server's terms."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import quote

import aiohttp
from yarl import URL

from coverproxy import __version__
from coverproxy.client.classify import (
    MAX_BODY_BYTES,
    ServerAnswer,
    Verdict,
    form,
    judge,
    modified,
    resets_at,
    seconds_to_wait,
)
from coverproxy.client.folder import Folder, FolderEntry
from coverproxy.domain import schemes
from coverproxy.domain.api_key import abridged
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.isbn_list import Row

AGENT = f"coverproxy/{__version__} (fetch)"

NEW_EVERY_SECONDS = 1.0
"""The terms: at most one new cover per second (LibraryThing's of 2008, and those of this service)."""

TRIES = 4
MAX_WAIT_SECONDS = 120.0
"""If a server asks for a longer wait than this, we stop."""

MOST_UNHEARD = 3
"""Books in a row without any answer after which the server counts as gone.

Before the first answer, one is enough.
"""

TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=10.0)
_MAX_REDIRECTS = 5


class DownloadOutcome(StrEnum):
    """The result of a line."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    MISSING = "missing"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """The result of a line: the item and its file if there is one, else the reason."""

    line: Row
    outcome: DownloadOutcome
    item: Identifier | None = None
    file: str = ""
    bytes: int = 0
    why: str = ""


class Stop(Exception):
    """Nothing more can be fetched now. `resets_at`: when it can again (seconds since 1970), if known."""

    def __init__(self, why: str, is_quota: bool = False, resets_at: float | None = None) -> None:
        super().__init__(why)
        self.is_quota = is_quota
        self.resets_at = resets_at


class _GaveUp(Exception):
    """No final answer for this book."""


@dataclass
class DownloadReport:
    """The progress so far. `new`: covers that the server made for us, or may have."""

    outcomes: Counter[DownloadOutcome] = field(default_factory=Counter)
    new: int = 0
    bytes: int = 0
    stopped: Stop | None = None
    interrupted: bool = False

    @property
    def lines(self) -> int:
        """How many lines are done."""
        return self.outcomes.total()

    def note(self, result: DownloadResult) -> None:
        """Count one result."""
        self.outcomes[result.outcome] += 1
        self.bytes += result.bytes if result.outcome is DownloadOutcome.FETCHED else 0


@dataclass(frozen=True, slots=True)
class DownloadWish:
    """What to download: server, key, size and format.

    `fresh_seconds`: files checked more recently than this are not requested again.
    """

    server: str
    key: str
    size: str
    format: Format
    fresh_seconds: float

    @property
    def of(self) -> str:
        """The key of an entry: everything except the API key, which is secret and may change."""
        return f"{self.server} {self.size} {self.format.value}"

    @property
    def accept(self) -> str:
        """The Accept header; a server without that format sends a JPEG."""
        name = self.format.media_type
        return name if self.format is Format.JPEG else f"{name}, image/jpeg;q=0.5"

    def url(self, item: Identifier) -> str:
        """The address of an item's cover."""
        place = f"{item.scheme}/{quote(item.value, safe='')}"
        return f"{self.server}/devkey/{self.key}/{self.size}/{place}"


class Downloader:
    """Downloads covers one after the other: with a single request in flight, the rate is exact.

    At most one new cover in NEW_EVERY_SECONDS; existing covers come as fast as possible. `now` returns
    seconds since 1970, `sleep` waits.
    """

    def __init__(
        self,
        wish: DownloadWish,
        folder: Folder,
        client: aiohttp.ClientSession,
        report: DownloadReport,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._wish = wish
        self._folder = folder
        self._client = client
        self._now = now
        self._sleep = sleep
        self._not_before = 0.0
        self._unheard = MOST_UNHEARD - 1
        self._report = report

    async def run(self, lines: Iterable[Row], take: Callable[[DownloadResult], None]) -> None:
        """Download the covers of all lines; `take` gets each result. The report says what stopped it."""
        try:
            for line in lines:
                result = await self._fetch(line)
                self._report.note(result)
                take(result)
        except Stop as stop:
            self._report.stopped = stop

    async def _fetch(self, line: Row) -> DownloadResult:
        """Download the cover of a line's book; of several books, the first that has one.

        Raises Stop, OSError.
        """
        try:
            reading = schemes.read(line.text)
        except NotAnIdentifier as exc:
            return DownloadResult(line, DownloadOutcome.INVALID, why=exc.why)
        if reading.only_one:
            can_mean = ", ".join(each.listed for each in reading.identifiers)
            return DownloadResult(line, DownloadOutcome.INVALID, why=f"it can mean either of {can_mean}")
        for item in reading.identifiers:
            result = await self._book(line, item)
            if result.outcome is not DownloadOutcome.MISSING:
                break
        return result

    async def _book(self, line: Row, item: Identifier) -> DownloadResult:
        entry = self._folder.find(item.listed, self._wish.of)
        if entry and 0 <= self._now() - entry.checked < self._wish.fresh_seconds:
            return DownloadResult(line, DownloadOutcome.KEPT, item, entry.file, entry.bytes)
        try:
            answer = await self._ask_patiently(item, entry)
        except _GaveUp as exc:
            return DownloadResult(line, DownloadOutcome.FAILED, item, why=str(exc))
        verdict = judge(answer)
        self._keep_pace(answer, verdict)
        if stop := _stop(answer, verdict, self._now()):
            raise stop
        match verdict:
            case Verdict.PICTURE:
                return self._store(line, item, answer)
            case Verdict.UNCHANGED if entry:
                self._folder.note(replace(entry, checked=self._now()))
                return DownloadResult(line, DownloadOutcome.UNCHANGED, item, entry.file, entry.bytes)
            case Verdict.MISSING:
                why = "the server has no cover for it"
                return DownloadResult(line, DownloadOutcome.MISSING, item, why=why)
        why = f"not a picture: {_describe(answer)}, starts with {bytes(answer.body[:8])!r}"
        return DownloadResult(line, DownloadOutcome.FAILED, item, why=why)

    async def _ask_patiently(self, item: Identifier, entry: FolderEntry | None) -> ServerAnswer:
        """Ask until an answer is final, at most TRIES times. Raises _GaveUp, Stop."""
        for tried in range(TRIES):
            try:
                answer = await self._ask(item, entry)
            except (aiohttp.ClientError, TimeoutError) as exc:
                why, wait, is_heard = self._said(exc), 2.0**tried, False
            else:
                if judge(answer) is not Verdict.LATER:
                    self._unheard = 0
                    return answer
                wait, is_heard = seconds_to_wait(answer, tried, self._now()), True
                why = f"the server asks us to wait ({_describe(answer)})"
            if wait > MAX_WAIT_SECONDS:
                raise Stop(why, resets_at=self._now() + wait)
            self._not_before = self._now() + wait
        self._unheard = 0 if is_heard else self._unheard + 1
        if self._unheard >= MOST_UNHEARD:
            raise Stop(f"the server cannot be reached: {why}")
        raise _GaveUp(why)

    def _keep_pace(self, answer: ServerAnswer, verdict: Verdict) -> None:
        """Wait a second after a new cover, whatever its result.

        A cover is new if it was made for us, even if unchanged (304). A server without X-Cover-Status does
        not say: there every picture counts.
        """
        if answer.label == "made" or (not answer.label and verdict is Verdict.PICTURE):
            self._report.new += 1
            self._not_before = self._now() + NEW_EVERY_SECONDS

    async def _ask(self, item: Identifier, entry: FolderEntry | None) -> ServerAnswer:
        """Ask once, after the due wait. Raises aiohttp.ClientError, TimeoutError."""
        if (early := self._not_before - self._now()) > 0:
            await self._sleep(min(early, MAX_WAIT_SECONDS))
        headers = {"Accept": self._wish.accept}
        if entry and entry.etag:
            headers["If-None-Match"] = entry.etag
        elif entry and entry.modified:
            headers["If-Modified-Since"] = entry.modified
        url = URL(self._wish.url(item), encoded=True)
        async with self._client.get(url, headers=headers, max_redirects=_MAX_REDIRECTS) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            return ServerAnswer(response.status, response.headers, bytes(body))

    def _store(self, line: Row, item: Identifier, answer: ServerAnswer) -> DownloadResult:
        """Store a cover. Raises OSError."""
        found = form(answer.body)
        assert found is not None  # noqa: S101 - judge() has checked it
        name, length = f"{file_stem(item)}.{found.value}", len(answer.body)
        etag, date = (answer.headers.get(header, "") for header in ("ETag", "Last-Modified"))
        entry = FolderEntry(item.listed, name, length, self._wish.of, self._now(), etag, date)
        self._folder.store(entry, answer.body, modified(answer))
        return DownloadResult(line, DownloadOutcome.FETCHED, item, name, length)

    def _said(self, exc: Exception) -> str:
        """Describe a failed request, with the key in its address abridged."""
        return (str(exc) or type(exc).__name__).replace(self._wish.key, abridged(self._wish.key))


def file_stem(item: Identifier) -> str:
    """Name an item's file: an ISBN by its digits, all else as scheme=value; no two items have one name."""
    stem = schemes.stems(item)[0]
    return stem if item.scheme == ISBN else f"{item.scheme.replace(':', '-')}={stem}"


def _stop(answer: ServerAnswer, verdict: Verdict, now: float) -> Stop | None:
    """Return why nothing more can be fetched, if the answer says so."""
    if verdict is Verdict.QUOTA:
        return Stop("the day's quota of the key is used up", True, resets_at(answer, now))
    if verdict is Verdict.REFUSED:
        return Stop(f"the server refuses the key, the size or the address ({_describe(answer)})")
    return None


def _describe(answer: ServerAnswer) -> str:
    return f"{answer.status} {answer.label}".rstrip()
