"""Builds the services of the pages for people."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from zoneinfo import ZoneInfo

from coverproxy.accounts.self_service import KeySelfService
from coverproxy.accounts.signing import SigningSecret
from coverproxy.config import Config
from coverproxy.stats.downloads import DownloadCounter
from coverproxy.stats.history import Historian
from coverproxy.stats.hits_log import HitsLog
from coverproxy.stats.key_activity import KeyActivity
from coverproxy.stats.metrics import Metrics
from coverproxy.web.page_context import PageContext
from coverproxy.wiring.service import Service


@asynccontextmanager
async def open_desk(config: Config, metrics: Metrics, service: Service) -> AsyncIterator[PageContext]:
    """Open the services of the pages for people."""
    accounts, notes, layout = service.accounts, service.folder.stores.notes, service.folder.layout
    desk = PageContext(
        keys=KeySelfService(
            accounts, accounts.store, accounts.rates, config.signup, config.quota.daily_limit, accounts.now
        ),
        ledger=KeyActivity(notes),
        notes=notes,
        downloads=DownloadCounter(notes, accounts.today, metrics),
        history=Historian(notes, metrics, layout.locks / "history", hourly=notes.sweep),
        signing=SigningSecret(accounts.store),
        sessions=accounts.store.sessions,
        notices=service.folder.catalogue.notices,
    )
    hits = _hits(config, metrics, service)
    async with desk.signing.kept(), desk.ledger.kept(), desk.history.kept(), desk.downloads.kept(), hits:
        yield desk


def _hits(config: Config, metrics: Metrics, service: Service) -> AbstractAsyncContextManager[None]:
    """Follow nginx's log of hits, where there is one."""
    if not config.front.downloads_log:
        return nullcontext()
    folder = service.folder
    return HitsLog(
        Path(config.front.downloads_log), folder.layout.locks / "downloads", folder.stores.notes, metrics,
        ZoneInfo(config.quota.time_zone), service.accounts.account_of, config.size_table.named,
    ).followed()  # fmt: skip
