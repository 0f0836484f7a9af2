"""Covers that have to be made, at our own address: past the router and what it leads through."""

import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import hdrs, web

from coverproxy.accounts.accounts import Accounts
from coverproxy.config import Config
from coverproxy.domain import schemes
from coverproxy.domain.api_key import Key
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Wanted
from coverproxy.service.covers import Covers
from coverproxy.service.held_covers import Found, Glance
from coverproxy.stats.metrics import Metrics
from coverproxy.web import answers
from coverproxy.web.clients import visitor_of
from coverproxy.web.clock import Clock
from coverproxy.web.ready import OK, Parts

RAISED: web.RequestKey[Exception] = web.RequestKey("raised", Exception)
"""What having it made has raised already: the router raises it where it would have the cover made."""

BEGAN: web.RequestKey[float] = web.RequestKey("began", float)
"""When that was begun, by time.perf_counter(): the answer took all the time since."""


class Miss(NamedTuple):
    """A cover that a glance at the disk did not find in the first of `forms`, best first; and for whom."""

    key: Key
    isbn: str
    size: str
    forms: tuple[Format, ...]
    glance: Glance


class OwnMisses:
    """Has such covers made. The router would take a third of what a worker does for one, to the same end.

    *answered*: told each cover that was found, with its request, key and Miss.
    """

    def __init__(
        self,
        covers: Covers,
        accounts: Accounts,
        config: Config,
        metrics: Metrics,
        answered: Callable[[web.BaseRequest, Miss, Found], None],
    ) -> None:
        self._covers = covers
        self._accounts = accounts
        self._config = config
        self._metrics = metrics
        self._answered = answered
        self._clock = Clock(accounts)
        self._heads = {
            (label, is_interim): _head(config, label, is_interim=is_interim)
            for label in (CoverStatus.HIT, CoverStatus.MADE)
            for is_interim in (False, True)
        }

    async def made(self, request: web.BaseRequest, miss: Miss) -> Parts | None:
        """Return the parts of the answer with the cover, once it is made.

        None: the router has to answer. Where that is because of an exception, it finds it in the request.
        """
        key, isbn, size, forms, glance = miss
        if key.named_sizes_only:
            return None
        started = time.perf_counter()
        client = visitor_of(request.headers, key, self._config)
        try:
            reading = schemes.parse(ISBN, isbn)
            is_itself = reading.identifiers == (Identifier(ISBN, isbn),)  # 9790…, say, is printed music
            seen = glance if is_itself else None
            found = await self._covers.cover(Wanted(size, reading, None), forms, client, seen)
        except Exception as exc:
            request[RAISED], request[BEGAN] = exc, started
            return None
        parts = self._parts(request, key, found)
        label = CoverStatus.MADE if found.is_made else CoverStatus.HIT
        self._metrics.note_answer(label, time.perf_counter() - started)
        self._answered(request, miss, found)
        return parts

    def _parts(self, request: web.BaseRequest, key: Key, found: Found) -> Parts:
        derivative = found.derivative
        label = CoverStatus.MADE if found.is_made else CoverStatus.HIT
        head = self._heads[label, found.is_interim]
        date, quota = self._clock.lines(key, self._accounts.counted_today(key))
        body = derivative.body if request.method == hdrs.METH_GET else b""
        return OK, head, answers.hit_head(derivative), quota, date, b"\r\n", body


def _head(config: Config, label: CoverStatus, *, is_interim: bool) -> bytes:
    """Return the lines that are the same for all such answers."""
    headers = answers.hit_headers(config.answers) | {"X-Cover-Status": label, "Server": answers.SERVER}
    if is_interim:
        headers["Cache-Control"] = answers.interim_keep(config.answers)
    return answers.lines(headers)
