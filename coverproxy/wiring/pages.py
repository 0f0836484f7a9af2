"""Builds the services of the pages for people."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from zoneinfo import ZoneInfo

from coverproxy.accounts.self_service import KeySelfService
from coverproxy.accounts.signing import SigningSecret
from coverproxy.cache.budget import DiskBounds, DiskBudget
from coverproxy.config import Config
from coverproxy.service.covers import Covers
from coverproxy.stats.downloads import DownloadCounter
from coverproxy.stats.history import Historian
from coverproxy.stats.hits_log import HitsLog
from coverproxy.stats.key_activity import KeyActivity
from coverproxy.stats.metrics import Metrics
from coverproxy.web.page_context import PageContext


@asynccontextmanager
async def open_desk(config: Config, metrics: Metrics, covers: Covers) -> AsyncIterator[PageContext]:
    """Open the services of the pages for people."""
    accounts = covers.accounts
    layout, notes = covers.cache.layout, covers.notes
    desk = PageContext(
        keys=KeySelfService(
            accounts, accounts.store, accounts.rates, config.signup, config.quota.daily_limit, accounts.now
        ),
        ledger=KeyActivity(notes),
        notes=notes,
        downloads=DownloadCounter(notes, accounts.today, metrics),
        history=Historian(notes, metrics, layout.locks / "history", hourly=notes.sweep),
        room=DiskBudget(layout, DiskBounds.of(config.cache)),
        signing=SigningSecret(accounts.store),
        sessions=accounts.store.sessions,
    )
    try:
        hits = _hits(config, metrics, covers)
        async with desk.signing.kept(), desk.ledger.kept(), desk.history.kept(), desk.downloads.kept(), hits:
            yield desk
    finally:
        desk.room.close()


def _hits(config: Config, metrics: Metrics, covers: Covers) -> AbstractAsyncContextManager[None]:
    """Follow nginx's log of hits, where there is one."""
    if not config.front.downloads_log:
        return nullcontext()
    accounts = covers.accounts
    return HitsLog(
        Path(config.front.downloads_log), covers.cache.layout.locks / "downloads", covers.notes, metrics,
        ZoneInfo(config.quota.time_zone), accounts.account_of, config.size_table.named,
    ).followed()  # fmt: skip
