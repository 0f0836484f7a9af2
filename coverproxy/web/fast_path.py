"""Hits that need no disk: the answer's head is prepared once, and sent with its body in one write."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import hdrs, web

from coverproxy.accounts.accounts import Accounts
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.memory import Memory, MemoryEntry
from coverproxy.config import Config
from coverproxy.domain.api_key import NAME_PATTERN, Key
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import ENDINGS, Format
from coverproxy.domain.identifier import ISBN
from coverproxy.service.covers import Covers
from coverproxy.service.held_covers import Found, Glance
from coverproxy.stats.downloads import NATIVE
from coverproxy.stats.metrics import Metrics
from coverproxy.web import answers
from coverproxy.web.accept import choices, shortened
from coverproxy.web.clock import Clock
from coverproxy.web.early_refusal import LABEL, EarlyRefusal, wants_pixel, wants_pixel_at_once
from coverproxy.web.own_misses import Miss, OwnMisses
from coverproxy.web.plain_head import PlainHead
from coverproxy.web.ready import OK, Parts, Ready

MOST_BYTES = 8 * 2**20
"""Memory for known paths. A book has several: by its spellings, keys and Accept headers."""

MAX_NAME = 300
"""Longest path plus Accept header that is remembered, in characters; usual ones have about 150."""

_ENTRY_BYTES = 650
"""Overhead of an entry besides its characters: two strings, two tuples, and its slot in the table."""

_MOST_SEEN = 5_000
"""Paths that are known to have been asked for once, from disk."""

_MISSED_SECONDS = 0.1
"""How long a miss is remembered at most, until the request is parsed."""

_COUNT_SECONDS = 0.1
"""Hits show in the metrics after this time."""

_NATIVE = re.compile(
    rf"/devkey/(?P<key>{NAME_PATTERN})/(?P<size>[a-z0-9_-]{{1,32}})"
    r"/isbn/(?P<isbn>97[89][0-9]{5}(?P<a>[0-9]{2})(?P<b>[0-9]{2})[0-9])(?:\.(?P<ending>jpe?g|webp|avif))?"
)
"""Our own address of a book by its ISBN-13: the path on disk follows from it (cache/layout.py)."""

_HTTP_1_1 = (1, 1)

_SAYS_NOTHING = re.compile(r"\A[^?]*\?(?:default=[A-Za-z0-9]{0,8})?\Z")
"""A path whose query only says what to show if there is no cover."""


Counted = tuple[str, str]
"""What a download is counted by beside its account: the size, and the shape of its address."""


KnownPath = tuple[str, MemoryEntry, bytes, Counted]
"""Whose key a path names, what it leads to, and the lines of the head that are the path's own."""


class KnownPaths:
    """Remembered paths, bounded in bytes; least recently used ones are evicted."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._paths: OrderedDict[tuple[str, ...], KnownPath] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, name: tuple[str, ...]) -> KnownPath | None:
        """Return what a path leads to."""
        return self._paths.get(name)

    def touch(self, name: tuple[str, ...]) -> None:
        """Mark it as just used."""
        self._paths.move_to_end(name)

    def learn(self, name: tuple[str, ...], known: KnownPath) -> None:
        """Remember what a path leads to."""
        self.forget(name)
        self._paths[name] = known
        self._bytes += _bytes(name)
        while self._bytes > self._most:
            self.forget(next(iter(self._paths)))

    def forget(self, name: tuple[str, ...]) -> None:
        """Forget a path."""
        if self._paths.pop(name, None) is not None:
            self._bytes -= _bytes(name)


def _bytes(name: tuple[str, ...]) -> int:
    return sum(map(len, name)) + _ENTRY_BYTES


class FastPath:
    """Maps paths to entries in memory, each for one key and one Accept header."""

    def __init__(
        self,
        memory: Memory,
        accounts: Accounts,
        cache: DiskCache,
        config: Config,
        metrics: Metrics,
        note_downloads: Callable[[str, str, str, int], None],
        refusal: EarlyRefusal,
        covers: Covers,
    ) -> None:
        self._memory = memory
        self._accounts = accounts
        self._cache = cache
        self._sizes, self._named = config.size_table, frozenset(config.sizes)
        self._enabled = {
            name: config.formats.enabled & size.formats for name, size in self._sizes.sizes.items()
        }
        self._offered = {name: size.offered(config.formats) for name, size in self._sizes.sizes.items()}
        self._static = answers.lines(answers.hit_headers(config.answers) | {"Server": answers.SERVER})
        self._seen: dict[str, None] = {}
        self._clock = Clock(accounts)
        self._refusal = refusal
        self._hits, self._refused = metrics.answers.labels("hit"), metrics.answers.labels(LABEL)
        self._uncounted = self._uncounted_refused = 0
        self._downloads: dict[tuple[str, str, str], int] = {}
        self._note_downloads = note_downloads
        self._paths = KnownPaths()
        self._missed: dict[tuple[str, ...], Miss] = {}
        self._misses = OwnMisses(covers, accounts, config, metrics, self._note_made)

    def answer(self, request: web.BaseRequest) -> Ready | Miss | None:
        """Return the answer to a plain request for a cover that memory, or the kernel's, has.

        A Miss: made() may answer, unless the router has to.
        """
        if not _is_plain(request):
            return None
        name = _name(request)
        if missed := self._missed.pop(name, None):  # at_once() has just asked whether to refuse it
            return missed
        found = self._found(name, request.method)
        if isinstance(found, Miss):
            is_refused = self._refusal.concerns(found, partial(wants_pixel, request))
            return Ready(*self._pending(request.method, found.key)) if is_refused else found
        return Ready(*found) if found else None

    async def made(self, request: web.BaseRequest, miss: Miss) -> Ready | None:
        """Return the answer with the cover that answer() missed, once it is made; see OwnMisses.made()."""
        parts = await self._misses.made(request, miss)
        return Ready(*parts) if parts else None

    def at_once(self, asked: PlainHead) -> bytes | None:
        """Return the same as answer() for a request that nobody has parsed, as it is sent."""
        name = (asked.path, *asked.accepts)
        found = self._found(name, asked.method) if _is_whole(asked.path) else None
        if isinstance(found, Miss):
            if self._refusal.concerns(found, partial(wants_pixel_at_once, asked)):
                return b"".join(self._pending(asked.method, found.key))
            self._note_missed(name, found)
            return None
        return b"".join(found) if found else None

    def _note_missed(self, name: tuple[str, ...], miss: Miss) -> None:
        """Remember a miss until answer() is asked for the same, in a moment: the disk need not be."""
        if not self._missed:
            asyncio.get_running_loop().call_later(_MISSED_SECONDS, self._missed.clear)
        self._missed[name] = miss

    def _found(self, name: tuple[str, ...], method: str) -> "Parts | Miss | None":
        """Return the answer to a request that is not conditional, for HTTP/1.1. *name*: as _name() says."""
        if known := self._paths.get(name):
            key_name, held, lines, counted = known
            key = self._accounts.open_key(key_name)
            if key and self._serves(key, counted[0]) and held.derivative and self._memory.is_good(held):
                self._paths.touch(name)
                self._memory.touch(held)
                made = self._accounts.counted_today(key)
                return self._parts(method, key, made, held.derivative.body, held.head + lines, counted)
            self._paths.forget(name)
        return self._from_disk(name, method)

    def _from_disk(self, name: tuple[str, ...], method: str) -> "Parts | Miss | None":
        """Answer as a web server in front does, by the path alone: with the best format that is there.

        Not if it would have to wait for the disk, and not if a better format may be on its way. Not for a
        key's first hit either: it reads how many covers the key has made, which every answer tells.
        """
        path, *accepts = name
        parts = _NATIVE.fullmatch(path)
        if parts is None:
            return None
        key_name, named, isbn, one, two, ending = parts.groups()
        size = self._sizes.named(named)
        key = self._accounts.open_key(key_name)
        made = self._accounts.counted_today(key) if key and size and self._serves(key, size) else None
        if size is None or key is None or made is None or not (forms := self._forms(accepts, size, ending)):
            return None
        form = forms[0]
        mark = self._memory.mark() if path in self._seen else b""  # to be kept, see _is_second()
        try:
            derivative = self._cache.glance_below(size, form, f"{ISBN}/{one}/{two}/{isbn}.{form.value}")
        except BlockingIOError:
            return Miss(key, isbn, size, forms, Glance.UNSURE)
        if derivative is None:
            return Miss(key, isbn, size, forms, Glance.MISSING)
        if derivative.original is None:
            return None
        head = self._static + answers.hit_head(derivative)
        if self._is_second(path) and mark:
            self._keep(name, key_name, f"{size}/{ISBN}/{isbn}.{form.value}", derivative, mark, head)
        return self._parts(method, key, made, derivative.body, head, (size, NATIVE))

    def _serves(self, key: Key, size: str) -> bool:
        return not key.named_sizes_only or size in self._named  # else a named one is answered in its place

    def _forms(self, accepts: Sequence[str], size: str, ending: str | None) -> tuple[Format, ...]:
        """Return the formats to look for, best first; none if the ending's is switched off."""
        if ending:
            form = ENDINGS[ending]
            return (form,) if form in self._enabled[size] else ()
        return choices(shortened(accepts), self._enabled[size], self._offered[size])

    def _pending(self, method: str, key: Key) -> Parts:
        """Refuse a cover that would not be made in time."""
        self._count_soon()
        self._uncounted_refused += 1
        date, quota = self._clock.lines(key, self._accounts.counted_today(key))
        sent = self._refusal.body if method == hdrs.METH_GET else b""
        return OK, self._refusal.head, quota, date, b"\r\n", sent

    def _is_second(self, path: str) -> bool:
        """Return whether a path was seen lately: a path requested only once is not worth the memory."""
        if path in self._seen:
            return True
        self._seen[path] = None
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        return False

    def _keep(
        self,
        name: tuple[str, ...],
        key_name: str,
        spec: str,
        derivative: Derivative,
        mark: bytes,
        head: bytes,
    ) -> None:
        held = self._memory.put(spec, derivative, mark) if sum(map(len, name)) <= MAX_NAME else None
        if held:
            held.head = head
            self._paths.learn(name, (key_name, held, b"", (spec.partition("/")[0], NATIVE)))

    def _parts(
        self, method: str, key: Key, made: int | None, body: bytes, head: bytes, counted: Counted
    ) -> Parts:
        date, quota = self._clock.lines(key, made)
        if method == hdrs.METH_GET:
            self._note((key.counted_as, *counted))
            return OK, head, quota, date, b"\r\n", body
        self._note(None)
        return OK, head, quota, date, b"\r\n", b""

    def _note(self, download: tuple[str, str, str] | None) -> None:
        """Count a hit, batched with those of the next moment: counting each alone would take a third of its
        time.

        Its duration is not measured: it would not include the wait for the event loop, which is most of it.
        """
        self._count_soon()
        self._uncounted += 1
        if download:
            self._downloads[download] = self._downloads.get(download, 0) + 1

    def _count_soon(self) -> None:
        if not self._uncounted and not self._uncounted_refused:
            asyncio.get_running_loop().call_later(_COUNT_SECONDS, self._count)

    def _count(self) -> None:
        for download, times in self._downloads.items():
            self._note_downloads(*download, times)
        self._downloads.clear()
        self._hits.inc(self._uncounted)
        self._refused.inc(self._uncounted_refused)
        self._uncounted = self._uncounted_refused = 0

    def _note_made(self, request: web.BaseRequest, miss: Miss, found: Found) -> None:
        """Count a cover that was just made, and remember the path of one that another process had made."""
        counted = found.spec.size, NATIVE
        if request.method == hdrs.METH_GET:
            self._note_downloads(miss.key.counted_as, *counted, 1)
        if found.held and not found.is_interim:
            self.learn(request, miss.key, found.held, counted)

    def learn(
        self, request: web.BaseRequest, key: Key, held: MemoryEntry, counted: Counted, location: str = ""
    ) -> None:
        """Remember that a request leads to this entry, if answer() may answer such requests.

        The key MUST stand in the request's path. *location*: what Content-Location says; "": no such header.
        """
        derivative, name = held.derivative, _name(request)
        if derivative is None or sum(map(len, name)) > MAX_NAME:
            return
        if _is_plain(request) and self._accounts.open_key(key.name):
            held.head = self._static + answers.hit_head(derivative)
            lines = answers.lines({"Content-Location": location}) if location else b""
            self._paths.learn(name, (key.name, held, lines, counted))


def _name(request: web.BaseRequest) -> tuple[str, ...]:
    return (request.raw_path, *request.headers.getall(hdrs.ACCEPT, ()))


def _is_whole(path: str) -> bool:
    """Return whether a path's query, if there is one, does not matter."""
    return "?" not in path or _SAYS_NOTHING.search(path) is not None


def _is_plain(request: web.BaseRequest) -> bool:
    """Return whether every client gets the whole picture: no query that matters, no condition, HTTP/1.1."""
    headers = request.headers
    return (
        request.method in ("GET", "HEAD")
        and request.version == _HTTP_1_1
        and _is_whole(request.raw_path)
        # unrolled, since a loop takes twice as long; If-Range has no effect without Range
        and hdrs.IF_NONE_MATCH not in headers
        and hdrs.IF_MODIFIED_SINCE not in headers
        and hdrs.RANGE not in headers
        and hdrs.IF_MATCH not in headers
        and hdrs.IF_UNMODIFIED_SINCE not in headers
        and hdrs.EXPECT not in headers
    )
