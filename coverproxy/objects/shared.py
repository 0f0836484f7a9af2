"""The object store that nodes share, asked within bounds: each request has a deadline, and a breaker ends
pile-ups.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import obstore

from coverproxy.domain.breaker import Breaker
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.objects.base import ObjectEntry
from coverproxy.objects.opening import TIMEOUT, is_missing, meaning

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds that a failing store is left alone: at first, and at most. It is the service's own: asked often."""

MOST_AT_ONCE = 64
"""Requests of a process at once. Beyond them a cover is made rather than looked for."""

_PROBED = "probe/none"


class SharedObjects:
    """See Objects. MUST be used only after forking: obstore's threads do not survive a fork.

    *opening*: returns the store, at each request. *seconds*: how long one request may take. `on_state`: is
    told why the store is away, and "" once it answers again; from any thread.
    """

    def __init__(self, opening: "Callable[[], ObjectStore]", place: str, seconds: float) -> None:
        self._opening = opening
        self._place = place
        self._seconds = seconds
        self._breaker = Breaker(first_pause=FIRST_PAUSE, longest_pause=LONGEST_PAUSE)
        self._lock = threading.Lock()
        self._fault = ""
        self._asked = 0
        self.on_state: Callable[[str], None] = lambda fault: None

    @property
    def place(self) -> str:
        """See Objects."""
        return self._place

    @property
    def fault(self) -> str:
        """See Objects."""
        return self._fault

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """See Objects."""
        with self._asking() as store:
            try:
                result = obstore.get(store, key)
                _check_size(result.meta["size"], most_bytes)
                return bytes(result.bytes())
            except Exception as exc:
                _raise_unless_missing(exc)
                return None

    async def fetch(self, key: str, most_bytes: int) -> bytes | None:
        """See Objects."""
        with self._asking() as store:
            try:
                async with asyncio.timeout(self._seconds):
                    result = await obstore.get_async(store, key)
                    _check_size(result.meta["size"], most_bytes)
                    return bytes(await result.bytes_async())
            except Exception as exc:
                _raise_unless_missing(exc)
                return None

    def put(self, key: str, body: bytes) -> None:
        """See Objects."""
        with self._asking() as store:
            obstore.put(store, key, body, use_multipart=False)

    def has(self, key: str) -> bool:
        """See Objects."""
        with self._asking() as store:
            try:
                obstore.head(store, key)
            except Exception as exc:
                if "404" in str(exc) or isinstance(exc, FileNotFoundError):
                    return False  # the answer to HEAD has no body that could name an error code
                raise
            return True

    def delete(self, keys: Sequence[str]) -> None:
        """See Objects."""
        with self._asking() as store:
            try:
                obstore.delete(store, keys)
            except Exception as exc:
                _raise_unless_missing(exc)

    def keys(self, prefix: str, most: int) -> list[str]:
        """See Objects."""
        found: list[str] = []
        with self._asking() as store:
            for portion in obstore.list(store, prefix, chunk_size=min(most, 1000)):
                found += [meta["path"] for meta in portion]
                if len(found) >= most:
                    break
        return found[:most]

    def portions(self, prefix: str) -> Iterator[list[ObjectEntry]]:
        """See Objects."""
        with self._asking() as store:
            listing = iter(obstore.list(store, prefix, chunk_size=1000))
        while True:
            with self._asking():
                portion = next(listing, None)
            if portion is None:
                return
            yield [ObjectEntry(meta["path"], meta["last_modified"].timestamp()) for meta in portion]

    def probe(self) -> None:
        """See Objects."""
        self.get(_PROBED, 1)

    @contextmanager
    def _asking(self) -> "Iterator[ObjectStore]":
        """Ask the store, unless it is known to be away or has enough to do. Raises StoreUnavailable."""
        self._begin()
        try:
            yield self._opening()
        except StoreUnavailable:
            self._end()
            raise
        except Exception as exc:  # obstore's and Python's, and Rust panics, whose class has no name
            why = self._why(exc)
            self._end(why)
            raise StoreUnavailable(f"{self._place} cannot be asked: {why}") from None
        except BaseException:  # cancelled: it says nothing about the store
            self._end(is_known=False)
            raise
        else:
            self._end()

    def _why(self, exc: Exception) -> str:
        """Say why a request failed; of one that took too long, how long that was."""
        found = None if isinstance(exc, TimeoutError) else meaning(exc)
        return f"no answer in {self._seconds:g} s" if found is None or found.word == TIMEOUT else str(found)

    def _begin(self) -> None:
        with self._lock:
            now = time.monotonic()
            if not self._breaker.admits(now):
                raise StoreUnavailable(f"{self._place} is left alone for a while: {self._fault}")
            if self._asked >= MOST_AT_ONCE:
                raise StoreUnavailable(f"{self._place} has {MOST_AT_ONCE} requests to answer")
            self._breaker = self._breaker.asked(now)
            self._asked += 1

    def _end(self, why: str = "", *, is_known: bool = True) -> None:
        """Record how a request ended."""
        with self._lock:
            self._asked -= 1
            if not is_known:  # the next may be the probe
                self._breaker = replace(self._breaker, probe_until=None)
                return
            now = time.monotonic()
            self._breaker = self._breaker.failed(now) if why else self._breaker.succeeded(now)
            is_away = self._breaker.open_until is not None
            before, self._fault = self._fault, (why or self._fault) if is_away else ""
            is_news = bool(before) != bool(self._fault)
        if is_news:
            self.on_state(self._fault)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise StoreUnavailable(f"an object has {size} bytes; expected {most} at most")


def _raise_unless_missing(exc: Exception) -> None:
    """Let an error pass that says no more than that an object is not there."""
    if not (is_missing(exc) or (isinstance(exc, FileNotFoundError) and "HttpError" not in str(exc))):
        raise exc
